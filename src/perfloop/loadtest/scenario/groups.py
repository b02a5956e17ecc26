"""How long named parts of a scenario take: its journeys, and what its code puts into groups. Constant memory."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...records import GroupResult
from ...stats import Histogram, Increment
from ..recording import figures

if TYPE_CHECKING:
    from types import TracebackType

    from ...stats import Counts

__all__ = ["MOST_GROUPS", "Group", "GroupIncrement", "Groups"]

MOST_GROUPS = 200
_FURTHER = "(further groups)"
_FOLD_AT = 1024


class _Times:
    __slots__ = ("failed", "histogram", "pending")

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.pending: list[float] = []
        self.failed = 0

    def fold(self) -> None:
        if self.pending:
            self.histogram.record_many(np.rint(np.array(self.pending) * 1e6).astype(np.int64))
            self.pending.clear()


class GroupIncrement(NamedTuple):
    """What went through one group since an earlier look."""

    name: str
    failed: int
    times: Increment | None


class Groups:
    """The groups of one run by name; those beyond MOST_GROUPS are counted together."""

    def __init__(self) -> None:
        self._times: dict[str, _Times] = {}

    def add(self, name: str, seconds: float) -> None:
        """One more went through a group."""
        times = self._times.get(name) or self._of(name)
        pending = times.pending
        pending.append(seconds)
        if len(pending) >= _FOLD_AT:
            times.fold()

    def add_failed(self, name: str) -> None:
        """One more failed in a group: it counts, but its time says nothing."""
        self._of(name).failed += 1

    def since(self, seen: dict[str, tuple[int, Histogram]]) -> list[GroupIncrement]:
        """What went through groups since `seen`, an earlier state by name, which is brought up to date."""
        found = []
        self._fold()
        for name, times in self._times.items():
            failed, histogram = seen.get(name) or (0, Histogram())
            more = times.histogram.since(histogram)
            if more is not None or times.failed != failed:
                found.append(GroupIncrement(name, times.failed - failed, more))
                seen[name] = times.failed, histogram
        return found

    def absorb(self, increment: GroupIncrement) -> None:
        """Count what went through a group elsewhere."""
        times = self._of(increment.name)
        times.failed += increment.failed
        if increment.times is not None:
            times.histogram.add(increment.times)

    def _of(self, name: str) -> _Times:
        if name not in self._times and len(self._times) >= MOST_GROUPS:
            name = _FURTHER
        return self._times.setdefault(name, _Times())

    def counts(self) -> dict[str, Counts]:
        """How long those so far took, to be subtracted later."""
        self._fold()
        return {name: times.histogram.counts() for name, times in self._times.items()}

    def subtract(self, earlier: dict[str, Counts]) -> None:
        """Forget those of an earlier moment, but not those of them that failed."""
        for name, counts in earlier.items():
            self._times[name].histogram.subtract(counts)

    def _fold(self) -> None:
        for times in self._times.values():
            times.fold()

    def results(self) -> list[GroupResult]:
        """Every group, in the order in which they first ended."""
        self._fold()
        return [
            GroupResult(name=name, count=times.histogram.count, failed=times.failed, time_ms=figures(times.histogram))
            for name, times in self._times.items()
        ]


class Group:
    """Measures what is done inside, in a `with` or an `async with`. One that ends with an exception has failed."""

    __slots__ = ("_groups", "_name", "_start")

    def __init__(self, groups: Groups, name: str) -> None:
        self._groups = groups
        self._name = name
        self._start = 0.0

    def __enter__(self) -> Group:
        self._start = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if kind is None or not issubclass(kind, asyncio.CancelledError):  # cut off by the end of the run: neither
            if kind is None:
                self._groups.add(self._name, time.monotonic() - self._start)
            else:
                self._groups.add_failed(self._name)

    async def __aenter__(self) -> Group:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, place)
