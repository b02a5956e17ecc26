"""What each process has written and read, in files that outlive its death, and what it is told by who started it.

Times are seconds of CLOCK_MONOTONIC, which all processes of a host share.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ARM", "DELETE", "HELD", "PHASE", "READ", "TOLD", "UNSAID", "WAYS", "WRITE", "Control", "Journal", "rows"]

HELD, DELETE, TOLD = WAYS = range(3)
"""How the cache hears of a write: inside `writing`, by `delete` after the commit, in the transaction itself."""

WRITE = np.dtype(
    [
        ("key", "i4"),
        ("way", "i4"),
        ("version", "i8"),
        ("held", "f8"),  # when it began, before the first hold
        ("asked", "f8"),  # just before COMMIT was sent; 0: it was not
        ("committed", "f8"),  # just after COMMIT was answered; 0: it was not
        ("failed", "f8"),  # when the connection failed with the commit in doubt
        ("ended", "f8"),  # when the cache had been told
        ("behind", "i4"),  # whether a level could not be told then
    ]
)
READ = np.dtype([("key", "i4"), ("version", "i4"), ("began", "f8"), ("took", "f4"), ("how", "i4")])
UNSAID = np.dtype([("began", "f8")])
"""When the backplane could not be told."""
_ROWS = 1 << 22
_CHUNK = 1 << 14
PHASE, ARM = 0, 1
"""Fields of a process' control: what it is to do, and at which moment of a write it is to die."""


class Journal:
    """Rows appended by all threads of one process."""

    def __init__(self, path: Path, dtype: np.dtype[Any]) -> None:
        self._rows: Any = np.memmap(path, dtype=dtype, mode="w+", shape=(_ROWS,))
        self._next = itertools.count()

    def append(self, **fields: float) -> Any:
        """A new row; `began` or `held`, which makes it one, is written last. To be filled in further."""
        row = self._rows[next(self._next)]
        for name in sorted(fields, key=lambda name: name in {"began", "held"}):
            row[name] = fields[name]
        return row


def rows(path: Path, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """What was appended; nothing by a process that was killed before it began."""
    if not path.exists() or not path.stat().st_size:
        return np.empty(0, dtype)
    made = np.memmap(path, dtype=dtype, mode="r")
    written = "held" if "held" in (dtype.names or ()) else "began"
    parts = [np.empty(0, dtype)]
    for first in range(0, len(made), _CHUNK):
        part = np.array(made[first : first + _CHUNK])
        part = part[part[written] > 0]
        if not len(part):
            break
        parts.append(part)
    return np.concatenate(parts)


class Control:
    """A few numbers that a process and who started it share."""

    def __init__(self, path: Path, slots: int, *, new: bool = False) -> None:
        self.cells: Any = np.memmap(path, dtype="i4", mode="w+" if new else "r+", shape=(slots, 2))
