"""Temporary directories that are gone afterwards: those of a process that was killed, when the next one is made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["scratch_directory"]

_PREFIX = "perfloop-clone-"


@contextlib.contextmanager
def scratch_directory(*, parent: str | None = None, owner: int | None = None) -> Iterator[tuple[Path, int]]:
    """A directory, and the descriptor that says it is in use for as long as anybody has it open.

    Args:
        parent: where it is made; by default among the temporary files.
        owner: user id it is given to.
    """
    parent = parent or tempfile.gettempdir()
    _remove_abandoned(Path(parent))
    directory = Path(parent, f"{_PREFIX}{secrets.token_hex(8)}")
    descriptor = None
    try:
        while descriptor is None:
            descriptor = _make(directory)
        if owner is not None:
            os.chown(directory, owner, -1)
        yield directory, descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)
        shutil.rmtree(directory, ignore_errors=True)


def _make(directory: Path) -> int | None:
    """Make it and say that it is in use; None where another process took it for abandoned in between."""
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), directory.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _remove_abandoned(parent: Path) -> None:
    """Remove what processes of this user have left that were killed; root also what others' have, such as servers'."""
    user = os.geteuid()
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if user in (0, os.fstat(descriptor).st_uid):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where it is in use
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
