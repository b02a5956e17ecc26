"""A log of the last calls: never more than `limit` in any `per` seconds, wherever these begin.

The log is exact. A pair of counters, weighted by how much of the last window still counts, takes less memory, and
guesses how the calls of that window were spread: it admits more than the limit. So there is none here.
"""

from __future__ import annotations

from collections import deque

from ...exceptions import InvalidValue
from .algorithm import Algorithm

__all__ = ["SlidingWindow"]


class SlidingWindow(Algorithm[deque[int]]):
    """`limit` calls in any `per` seconds; all of them may come at once.

    The state is when the last `limit` calls were admitted: eight bytes a call where it is kept elsewhere.
    """

    name = "sliding_window"

    def __init__(self, limit: int, per: float = 1.0, burst: int | None = None) -> None:
        """See `Algorithm`; a burst other than `limit` would be another limit.

        Raises:
            InvalidValue: also for a burst.
        """
        super().__init__(limit, per, burst)
        if self.burst != self.limit:
            raise InvalidValue(
                "Expected no burst of a sliding window",
                got=burst,
                where="burst",
                hint="a second limiter, with a short `per`",
            )

    def _largest(self) -> int:
        return self.per

    @staticmethod
    def default_burst(limit: int) -> int:
        return limit

    def take(self, state: deque[int] | None, now: int) -> tuple[deque[int], int]:
        log: deque[int] = deque() if state is None else state
        at = now
        if log and log[-1] > now:
            if log[-1] - now > self.set_back:  # the clock was set back
                log = deque([now] * len(log))
            at = log[-1]
        if len(log) < self.limit:
            log.append(at)
        elif log[0] <= at - self.per:
            log.popleft()
            log.append(at)
        else:
            return log, log[0] + self.per - now
        return log, 0

    def idle_at(self, state: deque[int]) -> int:
        return state[-1] + self.per

    def copy(self, state: deque[int]) -> deque[int]:
        return state.copy()

    def behind(self, ahead: int) -> int:
        return ahead // self.limit * self.per
