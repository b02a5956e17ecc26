"""Temporary directories that are gone afterwards: those of a process that was killed, when the next one is made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["scratch_directory"]

_PREFIX = "perfloop-clone-"
_UNFINISHED = ".perfloop-clone-"


@contextlib.contextmanager
def scratch_directory(*, parent: str | None = None, owner: int | None = None) -> Iterator[tuple[Path, int]]:
    """A directory, and the descriptor that says it is in use for as long as anybody has it open.

    Args:
        parent: where it is made; by default among the temporary files.
        owner: user id it is given to.
    """
    parent = parent or tempfile.gettempdir()
    _remove_abandoned(Path(parent), {os.geteuid(), owner})
    made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    directory = made.with_name(made.name.replace(_UNFINISHED, _PREFIX, 1))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if owner is not None:
            os.chown(made, owner, -1)
        made.rename(directory)  # from here on others see it, and that it is in use
        yield directory, descriptor
    finally:
        os.close(descriptor)
        for path in (made, directory):
            shutil.rmtree(path, ignore_errors=True)


def _remove_abandoned(parent: Path, owners: set[int | None]) -> None:
    """Remove what processes have left that were killed."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid in owners:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where it is in use
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
