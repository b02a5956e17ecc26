"""Failures in a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..settings import count
from .windows import Breach, Rates

__all__ = ["Consecutive"]


@dataclass(frozen=True, slots=True)
class Consecutive:
    """Opens a circuit after `max_failures` calls in a row that failed or were slow: one success, and it starts again.

    Raises:
        InvalidValue: less than 1.
    """

    max_failures: int = 5

    def __post_init__(self) -> None:
        count(self.max_failures, "max_failures")

    def start(self, calls: int, now: float) -> _Run:
        """No failure yet."""
        return _Run(self.max_failures)

    def fails(self, probes: int, failed: int, slow: int) -> bool:
        """Any is one too many."""
        return failed + slow > 0


class _Run:
    """Failures with no success between them: their numbers follow on each other."""

    __slots__ = ("_last", "_length", "_max", "tick")

    def __init__(self, most: int) -> None:
        self._max = most
        self._length = 0
        self._last = -1
        self.tick = math.inf

    def turn(self, calls: int, now: float) -> None:
        """Time makes no difference."""

    def record(self, calls: int, *, failed: bool, slow: bool) -> Breach | None:
        """One more, or the first of another row."""
        self._length = self._length + 1 if calls == self._last + 1 else 1
        self._last = calls
        if self._length < self._max:
            return None
        return Breach(
            "failure_rate_exceeded" if failed else "slow_call_rate_exceeded",
            f"{self._length} calls in a row failed or were slow",
        )

    def rates(self, calls: int) -> Rates:
        """The row, if it has not ended."""
        length = self._length if calls == self._last else 0
        return Rates(length, length, 0)
