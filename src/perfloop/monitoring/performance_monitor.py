"""Counts and times whatever a program calls a request, without any web framework."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..clock import MONOTONIC
from ..exceptions import InvalidValue
from ..telemetry import DEFAULT_BUCKETS, DEFAULT_REGISTRY, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..clock import Clock
    from ..telemetry import Registry

__all__ = ["PerformanceMonitor", "RequestStats"]

_INFINITE = float("inf")


class RequestStats(NamedTuple):
    """What a `PerformanceMonitor` has seen. Durations are seconds; all are 0 before the first request."""

    count: int  # type: ignore[assignment]  # in place of tuple's method of that name
    total: float
    """All durations added."""
    slow: int
    """Requests that took longer than the monitor's threshold."""
    mean: float
    p50: float
    """This and the other percentiles are at most 2.2 % above the true ones."""
    p95: float
    p99: float
    p999: float
    highest: float
    """At most 2.2 % above the longest."""


class PerformanceMonitor:
    """How many requests there were, and how long they took. Safe from any number of threads, without a lock.

    monitor = PerformanceMonitor()
    monitor.record_request(0.042)
    count, total, slow, *_ = monitor.get_stats()
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        slow_threshold: float = 1.0,
        registry: Registry = DEFAULT_REGISTRY,
        clock: Clock = MONOTONIC,
    ) -> None:
        """Nothing seen yet.

        Args:
            name: publish the durations as this histogram, in seconds: `checkout.duration`. Monitors of one name share
                it. None: they are for `get_stats` alone.
            slow_threshold: seconds; what takes longer counts as slow.
            registry: where it is published.
            clock: what `measure` takes the time from.

        Raises:
            InvalidValue: a threshold that is no positive finite number, or a name no metric can have.
            ConfigurationError: the name is taken by something else, also by a monitor of another threshold.
        """
        if not 0 < slow_threshold < _INFINITE:
            raise InvalidValue("Expected a positive number of seconds", got=slow_threshold, where="slow_threshold")
        # A bucket ends at the threshold, so that the slow ones are counted exactly.
        buckets = sorted({*DEFAULT_BUCKETS, float(slow_threshold)})
        self._slow_threshold = float(slow_threshold)
        self._histogram = (
            Histogram(buckets)
            if name is None
            else registry.histogram(name, "How long requests took.", unit="s", buckets=buckets)
        )
        self._observe = self._histogram.observe
        self._now = clock.now

    def record_request(self, duration: float) -> None:
        """Count a request.

        Args:
            duration: seconds it took, 0 or more, finite.

        Raises:
            InvalidValue: a negative or infinite duration, or NaN.
        """
        if not 0 <= duration < _INFINITE:
            raise InvalidValue("Expected a finite duration of 0 or more seconds", got=duration)
        self._observe(duration)

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Count what runs inside as one request, also when it raises."""
        started = self._now()
        try:
            yield
        finally:
            self._observe(max(self._now() - started, 0.0))

    def get_stats(self) -> RequestStats:
        """What was seen until now; it goes on counting."""
        seen = self._histogram.snapshot()
        within = seen.cumulative()[seen.buckets.index(self._slow_threshold)]
        return RequestStats(
            count=seen.count,
            total=seen.sum,
            slow=seen.count - within,
            mean=seen.mean,
            p50=seen.percentile(50),
            p95=seen.percentile(95),
            p99=seen.percentile(99),
            p999=seen.percentile(99.9),
            highest=seen.percentile(100),
        )
