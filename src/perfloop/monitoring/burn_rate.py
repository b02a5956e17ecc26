"""How fast an error budget is used up: pure arithmetic over counts that somebody reads now and then.

The multiwindow, multi-burn-rate rule of Google's Site Reliability Workbook, chapter 5
(sre.google/workbook/alerting-on-slos). A burn rate of 1 uses up exactly the budget. It burns when the rate is high over
a long window, and still is over a short one.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from ..exceptions import InvalidValue

__all__ = ["WINDOWS", "Burn", "BurnRate", "Window"]


class Window(NamedTuple):
    """One pair of windows and the rate that is too much in both."""

    name: str
    long: float
    """Seconds."""
    short: float
    """Seconds: it tells that the trouble lasts, and ends the alarm soon after."""
    most: float
    """Burn rate."""


WINDOWS = (
    Window("fast", 3600.0, 300.0, 14.4),
    Window("slow", 6 * 3600.0, 1800.0, 6.0),
)
"""The workbook's: 2 % of a month's budget gone in an hour, 5 % in six."""

_STEPS = 10
"""Counts are kept so often within the shortest window."""


class Burn(NamedTuple):
    """The rates over one pair of windows. None: nothing happened in it, or too little to say."""

    window: Window
    long: float | None
    short: float | None
    most: float
    """What is too much: `window.most`, or less where the budget is so large that it could not be reached."""

    @property
    def burning(self) -> bool:
        """Whether both rates are too high."""
        return self.long is not None and self.short is not None and self.long >= self.most and self.short >= self.most


class _Counts(NamedTuple):
    at: float
    bad: float
    all: float


class BurnRate:
    """The burn rates of one objective.

    Args:
        budget: share that may be bad, above 0 and below 1.
        windows: pairs of windows, the most urgent first.
        least: so many must have happened in a window for its rate to mean anything.

    Raises:
        InvalidValue: a budget outside that range.
    """

    def __init__(self, budget: float, *, windows: tuple[Window, ...] = WINDOWS, least: int = 10) -> None:
        if not 0 < budget < 1:
            raise InvalidValue("Expected a budget above 0 and below 1", got=budget)
        self.budget = budget
        self._windows = windows
        self._least = least
        self._step = min(window.short for window in windows) / _STEPS
        self._longest = max(window.long for window in windows)
        self._kept: list[_Counts] = []
        self._latest: _Counts | None = None

    def record(self, now: float, bad: float, all: float) -> None:  # noqa: A002
        """Take the counts as they are at `now`, in seconds: how many were bad, of how many.

        Counts or a clock that have gone back belong to another beginning: what was known is forgotten.
        """
        latest = self._latest
        if latest is not None and (now < latest.at or bad < latest.bad or all < latest.all):
            self._kept.clear()
        self._latest = _Counts(now, bad, all)
        if not self._kept or now - self._kept[-1].at >= self._step:
            self._kept.append(self._latest)
        # One that is older than the longest window is its beginning.
        first = bisect_right(self._kept, now - self._longest, key=lambda counts: counts.at) - 1
        if first > 0:
            del self._kept[:first]

    def burns(self) -> list[Burn]:
        """The rates now over each pair of windows."""
        return [
            Burn(window, self._rate(window.long), self._rate(window.short), self._most(window))
            for window in self._windows
        ]

    def _most(self, window: Window) -> float:
        # If all is bad the rate is 1 / budget. Half-way from 1 to there, where the workbook's is beyond.
        return min(window.most, (1 + 1 / self.budget) / 2)

    def _rate(self, seconds: float) -> float | None:
        latest = self._latest
        if latest is None:
            return None
        # What happened before the first reading is not known: a window may be shorter than it should.
        begin = max(bisect_right(self._kept, latest.at - seconds, key=lambda counts: counts.at) - 1, 0)
        first = self._kept[begin]
        happened = latest.all - first.all
        if happened < max(self._least, 1):
            return None
        return (latest.bad - first.bad) / happened / self.budget
