"""The head of a file of outcomes: what was recorded, where and since when."""

from __future__ import annotations

from .kinds import Record

__all__ = ["OutcomesRecord"]


class OutcomesRecord(Record, frozen=True, kw_only=True, tag="outcomes"):
    """The first line of a file that an `OutcomeRecorder` writes. Calls follow it, packed: see docs/records.md."""

    name: str
    """What the calls are of: the recorder's name."""
    process: str
    """Made up when a process began to record: files of one process share it."""
    pid: int
    epoch: float
    """Seconds since 1970 at zero of the clock that calls are timed with."""
