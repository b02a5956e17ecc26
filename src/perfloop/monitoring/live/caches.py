"""The caches of a service: of all its processes together, since they were made and of late. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...telemetry.caches import CacheReport, Counts, added, counts_told, figures_of, since
from .state import CacheState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...telemetry.caches import CacheAbout
    from ..observations import CacheSample

__all__ = ["CacheWatch"]

_STEP = 1.0
"""Seconds between two moments that are remembered."""


class CacheWatch:
    """What the caches' counts were over the last seconds.

    Args:
        window: so many seconds.
    """

    def __init__(self, window: float) -> None:
        self._window = window
        self._reports: dict[int, CacheReport] = {}
        self._ended: Counts = {}
        self._counts: Counts = {}
        self._about: Sequence[CacheAbout] = ()
        self._course: deque[tuple[float, Counts]] = deque()

    def add(self, samples: Iterable[CacheSample], now: float) -> None:
        """Take what agents said of their processes."""
        for sample in samples:
            if not self._course:  # watched from its beginning
                self._course.append((now - _STEP, {}))
            self._reports[sample.pid] = sample.report
        if self._reports:
            self._together(now)

    def forget(self, pid: int, now: float) -> None:
        """A process has ended: what it counted remains."""
        report = self._reports.pop(pid, None)
        if report is not None:
            self._ended = added([self._ended, added([counts_told(report)], gauges=False)])
            self._together(now)

    def set(self, counts: Counts, about: Sequence[CacheAbout], now: float) -> None:
        """Take the counts of all processes as they are now."""
        self._counts, self._about = counts, about
        if not self._course or now - self._course[-1][0] >= _STEP:
            self._course.append((now, counts))

    def caches(self, now: float) -> list[CacheState]:
        """Each cache now."""
        while len(self._course) > 1 and self._course[1][0] <= now - self._window:
            self._course.popleft()
        before = self._course[0][1] if self._course else {}
        late = {each.name: each for each in figures_of(since(self._counts, before), self._about)}
        seconds = round(max(now - self._course[0][0], _STEP), 3) if self._course else 0.0
        return [
            CacheState(seconds=seconds, late=late[each.name], whole=each)
            for each in figures_of(self._counts, self._about)
        ]

    def _together(self, now: float) -> None:
        reports = self._reports.values()
        counts = added([self._ended, *map(counts_told, reports)])
        self.set(counts, [each for report in reports for each in report.about], now)
