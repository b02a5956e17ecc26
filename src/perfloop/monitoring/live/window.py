"""What happened in the last so many seconds, second by second: latencies, failures, and where the time went. Pure.

A latency counts in a cell 3 % wide, in its own second's cells and in those of the whole window; a second that leaves
the window takes its counts away. So memory is bounded by the seconds and the cells, whatever the load.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BOUNDS", "Second", "Window", "cell_of", "percentiles"]

_BITS = 5
_CELLS_PER_DOUBLING = 1 << _BITS
_HIGHEST_US = 3_600_000_000


class Second(NamedTuple):
    """One second of a window; latencies in seconds, None without requests."""

    at: int
    requests: int
    failed: int
    p50: float | None
    p99: float | None


class _Slot:
    __slots__ = ("cells", "failed", "parts", "requests", "second", "shown")

    def __init__(self, second: int) -> None:
        self.second = second
        self.requests = 0
        self.failed = 0
        self.cells: Counter[int] = Counter()
        self.parts: Counter[str] = Counter()
        self.shown: Second | None = None
        """Its figures, worked out once it is asked for them, and again when something is added."""


class Window:
    """The requests that ended in the last whole seconds and the one under way.

    Args:
        seconds: how long it is.
    """

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.requests = 0
        self.failed = 0
        self.parts: Counter[str] = Counter()
        """Seconds of all requests by part of the latency breakdown."""
        self._cells: Counter[int] = Counter()
        self._slots: dict[int, _Slot] = {}
        self._newest = -1

    def add(
        self,
        at: float,
        latency: float,
        *,
        failed: bool = False,
        parts: Mapping[str, float] | None = None,
        count: int = 1,
    ) -> None:
        """Count requests; those that ended before the window are left out.

        Args:
            at: when they ended, seconds of any clock that rises.
            latency: seconds of each.
            failed: they are errors.
            parts: seconds by part, of all of them together.
            count: how many they are.
        """
        second = int(at)
        self.advance(second)
        if second <= self._newest - self.seconds:
            return
        slot = self._slots.get(second)
        if slot is None:
            slot = self._slots[second] = _Slot(second)
        cell = cell_of(latency)
        slot.shown = None
        slot.cells[cell] += count
        self._cells[cell] += count
        slot.requests += count
        self.requests += count
        if failed:
            slot.failed += count
            self.failed += count
        for part, spent in (parts or {}).items():
            slot.parts[part] += spent  # type: ignore[assignment]
            self.parts[part] += spent  # type: ignore[assignment]

    def advance(self, now: float) -> None:
        """Let go of what has left the window by `now`."""
        second = int(now)
        if second <= self._newest:
            return
        self._newest = second
        for old in [each for each in self._slots if each <= second - self.seconds]:
            slot = self._slots.pop(old)
            self.requests -= slot.requests
            self.failed -= slot.failed
            self._cells = self._cells - slot.cells
            self.parts = self.parts - slot.parts if self.requests else Counter()

    def percentiles(self, *qs: float) -> list[float | None]:
        """The latencies that each of `qs` percent of the requests reach, at most 3 % above them; None without any."""
        return percentiles(self._cells, *qs)

    def course(self, now: float, seconds: int) -> list[Second]:
        """The last whole `seconds`, oldest first, those without requests too."""
        last = int(now)
        return [self._second(second) for second in range(last - seconds, last)]

    def _second(self, second: int) -> Second:
        slot = self._slots.get(second)
        if slot is None:
            return Second(second, 0, 0, None, None)
        if slot.shown is None:
            p50, p99 = percentiles(slot.cells, 50, 99)
            slot.shown = Second(second, slot.requests, slot.failed, p50, p99)
        return slot.shown


def percentiles(cells: Mapping[int, int], *qs: float) -> list[float | None]:
    """The upper bounds in seconds of the cells that each of `qs` percent of the counts reach; None without counts."""
    count = sum(cells.values())
    if not count:
        return [None for _ in qs]
    ordered = sorted(cells)
    reached = list(accumulate(cells[cell] for cell in ordered))
    ranks = (max(int(q * count / 100 + 0.5), 1) for q in qs)
    return [_highest(ordered[bisect_left(reached, rank)]) / 1e6 for rank in ranks]


def cell_of(latency: float) -> int:
    """The cell of a latency in seconds."""
    us = min(max(int(latency * 1e6), 0), _HIGHEST_US)
    shift = max(us.bit_length() - _BITS - 1, 0)
    return (shift << _BITS) + (us >> shift)


def _highest(cell: int) -> int:
    """The highest value of a cell in microseconds."""
    shift = max((cell >> _BITS) - 1, 0)
    return ((cell - (shift << _BITS) + 1) << shift) - 1


BOUNDS = tuple(_highest(cell) / 1e6 for cell in range(cell_of(_HIGHEST_US / 1e6) + 1))
"""The highest latency of each cell, in seconds."""
