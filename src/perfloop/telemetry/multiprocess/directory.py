"""The directory that the processes of a service share: a file for each, found, read, and tidied up.

A process holds a lock (flock) on its file for as long as it lives; the kernel lets go of it however the process ends.
So a file that can be locked is that of a process that has ended, whatever became of its number.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import stat
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...exceptions import ConfigurationError, InvalidValue
from .cells import check, encode, parse, read
from .merging import MOST_SERIES, families_of, overflow_of

if TYPE_CHECKING:
    from ..snapshots import FamilySnapshot
    from .cells import Definition

__all__ = ["Process", "create", "living", "lock", "open_ours", "prepare", "read_processes", "take_lead", "tidy"]

_SUFFIX = ".metrics"
_TIDY_LOCK = "tidying"
_LEADER_LOCK = "leading"
_MOST_ENDED = 16
"""So many files of ended processes may lie about before they become one."""
_ATTEMPTS = 100
_DASHES = 2
_LOCK_FILE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_MOST_COMPLAINTS = 100
_LOGGER = logging.getLogger("perfloop.telemetry")
_complained: set[str] = set()


class Process(NamedTuple):
    """What one process counted."""

    families: list[FamilySnapshot]
    alive: bool


class _File(NamedTuple):
    name: str
    alive: bool
    series: list[tuple[Definition, dict[int, float]]]
    merged: frozenset[str]


def prepare(directory: Path) -> None:
    """Make the directory where it is missing.

    Raises:
        ConfigurationError: it cannot be made or written to, is none, or others may change what is in it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
        writable = os.access(directory, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigurationError(
            f"Expected a directory for metrics: {error.strerror}", got=str(directory), where="PERFLOOP_METRICS_DIR"
        ) from error
    if not writable or status.st_mode & stat.S_IWOTH:
        raise ConfigurationError(
            "Expected a directory for metrics that this process can write to, and not everybody",
            got=f"{directory}, mode {stat.S_IMODE(status.st_mode):o}",
            where="PERFLOOP_METRICS_DIR",
            hint="a directory of the service's own, such as /run/shop/metrics, mode 700",
        )


def create(directory: Path, suffix: str = _SUFFIX) -> tuple[int, Path]:
    """A new file for this process, locked until the process ends or closes it: its descriptor and where it is.

    Args:
        directory: to make it in.
        suffix: of its name.

    Raises:
        OSError: it cannot be made.
    """
    name = f"{time.time_ns():020}-{os.getpid()}-{secrets.token_hex(4)}"
    # Under another name until it is locked: else it could be taken for one whose process has ended.
    new = directory / f"{name}.new"
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = new.with_suffix(suffix)
        new.rename(path)
    except BaseException:
        os.close(descriptor)
        new.unlink(missing_ok=True)
        raise
    return descriptor, path


def take_lead(directory: Path) -> int | None:
    """Be the one process of all that does what one should do, until it ends or closes the descriptor this gives.

    None while another one is.

    Raises:
        OSError: the directory cannot be written to.
    """
    descriptor = os.open(directory / _LEADER_LOCK, _LOCK_FILE, 0o600)
    if lock(descriptor, fcntl.LOCK_EX):
        return descriptor
    os.close(descriptor)
    return None


def read_processes(directory: str | os.PathLike[str], *, without: str = "") -> list[Process]:
    """What every process counted that shares the directory, the ended ones too; the latest to start is the first.

    Args:
        directory: as in PERFLOOP_METRICS_DIR.
        without: name of a file to leave out.

    Raises:
        ConfigurationError: the directory cannot be read.
    """
    files = _current(_files(Path(directory)))
    return [Process(families_of(file.series, alive=file.alive), file.alive) for file in files if file.name != without]


def living(directory: Path, *, without: str = "") -> list[int]:
    """The numbers of the processes whose files are in the directory, of those that live.

    Args:
        directory: as in PERFLOOP_METRICS_DIR.
        without: name of a file to leave out.
    """
    try:
        names = [name for name in _names(directory) if name != without and _ended(directory / name) is False]
    except ConfigurationError:
        return []
    pids = (name.split("-")[1] for name in names if name.count("-") == _DASHES)
    return [int(pid) for pid in pids if pid.isascii() and pid.isdigit()]


def _current(files: list[_File]) -> list[_File]:
    """Those whose counts are not in another one."""
    alive = {file.name for file in files if file.alive}
    honest = []
    for file in files:
        if file.merged & alive:  # sums are of those that have ended: nobody else may have a living one left out
            _complain(file.name, "it says that it holds the counts of a process that lives")
        else:
            honest.append(file)
    merged = frozenset[str]().union(*(file.merged for file in honest))
    return [file for file in honest if file.name not in merged]


def _files(directory: Path) -> list[_File]:
    for _ in range(_ATTEMPTS):
        names = _names(directory)
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in names:
                file = _read(directory / name)
                if file is not None:
                    found.append(file)
            # Files that were made one meanwhile may be missing from one list, and their sum from the other.
            if _names(directory) == names:
                return found
    raise ConfigurationError(
        "Expected a directory of metrics that comes to rest", got=str(directory), where="PERFLOOP_METRICS_DIR"
    )


def _names(directory: Path) -> list[str]:
    try:
        return sorted((name for name in os.listdir(directory) if name.endswith(_SUFFIX)), reverse=True)  # noqa: PTH208
    except OSError as error:
        raise ConfigurationError(
            f"Expected a directory of metrics: {error.strerror}", got=str(directory), where="PERFLOOP_METRICS_DIR"
        ) from error


def _read(path: Path) -> _File | None:
    """A file's content; None, said once, for one that perfloop did not write, that is damaged, or not this user's.

    Raises:
        FileNotFoundError: it has gone meanwhile.
    """
    descriptor = open_ours(path)
    if descriptor is None:
        path.lstat()
        return None
    try:
        # Asked before reading: what a process counts between the two, and then ends, is not lost.
        alive = not lock(descriptor, fcntl.LOCK_SH)
        recorded = parse(read(descriptor))
        check(recorded)
    except (InvalidValue, OSError) as error:
        _complain(path.name, str(error).splitlines()[0])
        return None
    finally:
        os.close(descriptor)
    return _File(path.name, alive, recorded.series, recorded.merged)


def open_ours(path: Path) -> int | None:
    """A descriptor of a plain file that this user's processes wrote; None, said once, of anything else."""
    try:
        # Without waiting: somebody may have put a pipe there.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        _complain(path.name, error.strerror or type(error).__name__)
        return None
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
        return descriptor
    os.close(descriptor)
    _complain(path.name, "it is no plain file" if status.st_uid == os.geteuid() else f"user {status.st_uid} owns it")
    return None


def _complain(name: str, why: str) -> None:
    """Say once of a file that it is left out."""
    if name not in _complained and len(_complained) < _MOST_COMPLAINTS:
        _complained.add(name)
        _LOGGER.warning("a file is left out of the service's metrics: %r: %s", name, why)


def _ended(path: Path) -> bool | None:
    """Whether the file's process has ended; None of a file that is not ours."""
    descriptor = open_ours(path)
    if descriptor is None:
        return None
    try:
        return lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def lock(descriptor: int, kind: int) -> bool:
    """Take a lock, `LOCK_SH` or `LOCK_EX`; False where another process holds one that rules it out."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def tidy(directory: Path, *, most: int = _MOST_ENDED) -> bool:
    """Make one file of those whose processes have ended, if there are more than `most`; False where nothing was done.

    Counts are in either at every moment: the new file says which ones it replaces. One process does it at a time.

    Raises:
        OSError: the directory cannot be written to.
        ConfigurationError: it cannot be read.
    """
    if sum(_ended(directory / name) is True for name in _names(directory)) <= most:
        return False
    tidying = os.open(directory / _TIDY_LOCK, _LOCK_FILE, 0o600)
    try:
        if not lock(tidying, fcntl.LOCK_EX):
            return False
        files = _files(directory)
        current = _current(files)
        for file in files:
            if file not in current:  # whoever made the sum ended before it could
                (directory / file.name).unlink(missing_ok=True)
        ended = [file for file in current if not file.alive]
        if len(ended) <= most:
            return False
        _replace(directory, ended)
        return True
    finally:
        os.close(tidying)


def _replace(directory: Path, ended: list[_File]) -> None:
    sums: dict[Definition, dict[int, float]] = {}
    many: Counter[str] = Counter()
    for file in ended:
        for definition, cells in file.series:
            if definition.kind == "gauge":
                continue
            if definition not in sums:
                if many[definition.name] >= MOST_SERIES:
                    definition = overflow_of(definition)
                many[definition.name] += definition not in sums
            known = sums.setdefault(definition, {})
            for index, value in cells.items():
                known[index] = known.get(index, 0.0) + value
    # Its name says that it is as old as the latest of them.
    new = directory / f"{ended[0].name.partition('-')[0]}-ended-{secrets.token_hex(4)}.new"
    new.write_bytes(encode(sums.items(), [file.name for file in ended]))
    new.rename(new.with_suffix(_SUFFIX))
    for file in ended:
        (directory / file.name).unlink(missing_ok=True)
