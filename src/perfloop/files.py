"""Files read within bounds, and written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from .units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["read_within", "write_whole"]


def read_within(source: str | os.PathLike[str] | BinaryIO, most: int) -> bytes:
    """All bytes of a file, a pipe or a device, by its path or open, if they are no more than `most`.

    Raises:
        OSError: it cannot be read, or holds more (EFBIG).
    """
    if isinstance(source, str | os.PathLike):
        with _named(source), Path(source).open("rb") as file:
            return read_within(file, most)
    data = source.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {format_bytes(most)}", getattr(source, "name", None))
    return data


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, and an error leaves the old.

    A link is followed. A new file gets the mode that the umask leaves, an existing one keeps its own. A device, a pipe
    and whatever else is no regular file cannot be replaced, and is written to.

    Raises:
        OSError: it cannot be written; names the path.
    """
    try:
        with _named(path):
            _write(Path(path), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def _named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Take a path that is the name of no file, for a NUL or half a character in it, as any other that is not there."""
    try:
        yield
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no file can have this name: {error}", str(path)) from error


def _write(path: Path, data: bytes) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        old = None
    # What lies in /dev and /proc may be somebody's open file, such as /dev/stdout.
    if old is not None and (not stat.S_ISREG(old.st_mode) or path.absolute().parts[1] in ("dev", "proc")):
        with path.open("wb", buffering=0) as opened:
            _write_all(opened.fileno(), data)
        return
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".perfloop-{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            if old is not None:
                with contextlib.suppress(OSError):  # only root may keep another's file another's
                    os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
