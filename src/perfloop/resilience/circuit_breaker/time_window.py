"""The calls of the last so many seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..settings import positive
from .rates import RateLimits
from .windows import Breach, Rates

__all__ = ["TimeWindow"]

_BUCKETS = 10


@dataclass(frozen=True, slots=True)
class TimeWindow(RateLimits):
    """Judges the calls that ended within the last `seconds`, to a tenth of them. Other arguments as in `RateLimits`.

    Raises:
        InvalidValue: seconds that are not above 0.
    """

    seconds: float = 60.0

    def __post_init__(self) -> None:
        RateLimits.__post_init__(self)
        positive(self.seconds, "seconds")

    def start(self, calls: int, now: float) -> _Buckets:
        """No call yet."""
        return _Buckets(self, calls, now)


class _Bucket:
    """A tenth of the window."""

    __slots__ = ("before", "failed", "slow", "start")

    def __init__(self, start: float, before: int) -> None:
        self.start = start
        self.before = before  # calls that had ended before it
        self.failed = 0
        self.slow = 0


class _Buckets:
    """Oldest first. How many calls each holds, the next one's `before` says."""

    __slots__ = ("_buckets", "_options", "_width", "tick")

    def __init__(self, options: TimeWindow, calls: int, now: float) -> None:
        self._options = options
        self._width = options.seconds / _BUCKETS
        self._buckets = deque([_Bucket(now, calls)])
        self.tick = now + self._width

    def turn(self, calls: int, now: float) -> None:
        """Begin a new bucket if it is time. A clock that has gone back begins the window again."""
        if now < self._buckets[-1].start:
            self._buckets.clear()
        if now >= self.tick or not self._buckets:
            self._buckets.append(_Bucket(now, calls))
            self.tick = now + self._width
        while now - self._buckets[0].start > self._options.seconds:
            self._buckets.popleft()

    def record(self, calls: int, *, failed: bool, slow: bool) -> Breach | None:
        """Count it in the newest."""
        newest = self._buckets[-1]
        newest.failed += failed
        newest.slow += slow
        return self._options.judge(self.rates(calls))

    def rates(self, calls: int) -> Rates:
        """The sum of all."""
        return Rates(
            calls - self._buckets[0].before,
            sum(each.failed for each in self._buckets),
            sum(each.slow for each in self._buckets),
        )
