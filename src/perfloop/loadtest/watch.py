"""The generator watching itself: when it was woken, what it used, what to conclude from it."""

from __future__ import annotations

import numpy as np

from ..stats import Histogram
from .trust import LOWEST_LAG, GeneratorFacts, allowed_lag
from .usage import GeneratorUsage

__all__ = ["GeneratorWatch"]


class GeneratorWatch:
    """Begins to measure when it is made. `woken` and `kept_house` are told of wake-ups, and when they were wanted."""

    __slots__ = ("_lateness", "_longest_stall", "_longest_stall_at", "_spinning", "_start", "_usage", "expected")

    def __init__(self, start: float, *, spinning: bool = False) -> None:
        """Args: start: the run's, on the monotonic clock; spinning: the generator never sleeps, by intention."""
        self._start = start
        self._spinning = spinning
        self._lateness = Histogram()
        self._longest_stall = self._longest_stall_at = 0.0
        self._usage = GeneratorUsage()
        self.expected = start
        """When the next wake-up for sending is wanted."""

    def woken(self, now: float) -> None:
        """The generator can send again; it was to at `expected`."""
        late = now - self.expected
        if late > LOWEST_LAG:
            self._lateness.record(int(late * 1e6))

    def kept_house(self, now: float, expected: float) -> None:
        """A wake-up of the housekeeping, which comes whatever there is to send."""
        stall = now - expected
        if stall > self._longest_stall:
            self._longest_stall, self._longest_stall_at = stall, now - self._start

    def facts(self, ended: float, *, open_model: bool, latency: Histogram, send_lag: Histogram) -> GeneratorFacts:
        """What there is to judge the generator by. Ends the measurement."""
        self._usage.stop()
        latency_p50 = latency.percentile(50) / 1e6
        values, counts = self._lateness.distribution()
        held_up = float(np.sum(np.maximum(values / 1e6 - allowed_lag(latency_p50), 0.0) * counts))
        return GeneratorFacts(
            open_model=open_model,
            elapsed=ended - self._start,
            send_lag_p99=send_lag.percentile(99) / 1e6,
            latency_p50=latency_p50,
            cpu=self._usage.cpu,
            waited_for_cpu=self._usage.waited_for_cpu,
            held_up=held_up,
            longest_stall=self._longest_stall,
            longest_stall_at=self._longest_stall_at,
            clock_jump=self._usage.clock_jump,
            spinning=self._spinning,
        )
