"""Trap 14: what calls take on average is taken for what they take without a queue.

Wrong: at a load a little above capacity the average takes the queue in, so that the limit creeps up with it, and with
the limit the queue. (Gradient2 of concurrency-limits, with its defaults but for the greatest limit.)
"""

from __future__ import annotations

__all__ = ["AveragingGradient"]


class AveragingGradient:
    def __init__(self, *, initial: int = 20, minimum: int = 4, maximum: int = 1000) -> None:
        self._limit, self._minimum, self._maximum = float(initial), minimum, maximum
        self._average: float | None = None

    @property
    def limit(self) -> int:
        return int(self._limit)

    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        self._average = rtt if self._average is None else self._average + (rtt - self._average) * 2 / 601
        if self._average / rtt > 2:
            self._average *= 0.95
        if inflight < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, 1.5 * self._average / rtt))
        self._limit += 0.2 * (self._limit * gradient + 4 - self._limit)
        self._limit = max(self._minimum, min(self._maximum, self._limit))
