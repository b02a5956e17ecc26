"""`MemoryLeakDetector`: a thread that samples this process' memory, judges it, and looks closer when it leaks."""

from __future__ import annotations

import logging
import tracemalloc
from typing import TYPE_CHECKING

from ...clock import MONOTONIC, Clock
from ...telemetry import DEFAULT_REGISTRY, Registry
from ...units import format_bytes
from ..periodic import Periodic, PeriodicMonitor
from .evidence import LeakReport
from .full_collections import FullCollections
from .growth import Census, take_census
from .growth_alarm import GrowthAlarm
from .instruments import LeakInstruments
from .investigation import investigate
from .options import LeakOptions
from .samples import MemorySample, read_sample
from .verdict import judge
from .watch import LeakWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from .verdict import LeakVerdict

__all__ = ["MemoryLeakDetector"]

_LOG = logging.getLogger("perfloop.monitoring.memory")
# How often it looks whether the interpreter has made a full collection, while it may not force one.
_POLL = 0.25


class MemoryLeakDetector(PeriodicMonitor):
    """Finds leaks of this process, and tells Python's from native ones, fragmentation and caches that fill.

    Two rules side by side. The simple one: resident memory grew by 100 MiB since the baseline. The statistical one:
    after full collections and at equal load, memory grows with the requests, significantly, steadily and without an
    end; then it names the growing types, who holds them, and the lines that allocate them.

    A sample costs one full collection (bounded: 0.1 % of the time) and 10 µs. An investigation, at most three for one
    leak, walks the heap (0.15 µs an object, twice, and some full scans) and traces allocations for 2 s, during which
    code that does little but allocate runs up to ten times slower; the report states what it was. The thread is a
    daemon and begins anew, with a new baseline, in a forked child.

        with MemoryLeakDetector(requests=lambda: answered.value) as detector:
            ...
    """

    def __init__(
        self,
        options: LeakOptions | None = None,
        *,
        requests: Callable[[], float] | None = None,
        in_flight: Callable[[], float] | None = None,
        on_leak: Callable[[LeakReport], None] | None = None,
        on_growth: Callable[[float], None] | None = None,
        name: str = "process",
        registry: Registry = DEFAULT_REGISTRY,
        clock: Clock = MONOTONIC,
    ) -> None:
        """Nothing is sampled before `start`.

        Args:
            options: interval, thresholds and how closely it looks.
            requests: gives the number of requests answered since the start; growth is counted by second without it.
            in_flight: gives the number of requests being worked on; only samples at about equal load are compared.
            on_leak: called from the detector's thread with each leak, once; what it raises is logged.
            on_growth: called with the bytes since the baseline whenever the simple rule fires.
            name: tells several detectors apart, label `monitor` of the instruments.
            registry: where the instruments are.
            clock: gives the samples' times.

        Raises:
            ConfigurationError: the registry has something else under one of the names.
        """
        self._options = options or LeakOptions()
        self._requests = requests
        self._in_flight = in_flight
        self._on_leak = on_leak
        self._on_growth = on_growth
        self._clock = clock
        self._instruments = LeakInstruments(registry, name)
        super().__init__(
            Periodic(self._tick, self._options.interval, name="perfloop-leaks", forked=self._begin_in_child)
        )
        self._tracing = self._delayed = False
        self._begin()

    def _begin(self) -> None:
        self._watch = LeakWatch(self._options)
        self._alarm = GrowthAlarm(self._options.growth_bytes)
        self._collections = FullCollections(self._options.pause_budget)
        self._census: Census | None = None
        self._started = self._clock.now()
        # What judging takes at most is taken now, before the baseline.
        judge([read_sample(self._started)] * self._options.capacity, self._options.rule)
        self.report: LeakReport | None = None
        """The leak reported last; None when there was none."""

    def _begin_in_child(self) -> None:
        if self._tracing:
            tracemalloc.stop()
            self._tracing = False
        self._begin()

    @property
    def verdict(self) -> LeakVerdict:
        """What the samples so far say."""
        return self._watch.verdict

    @property
    def samples(self) -> tuple[MemorySample, ...]:
        """The samples judged, oldest first."""
        return self._watch.samples

    @property
    def growth(self) -> float:
        """Bytes of resident memory since the baseline."""
        return self._alarm.growth

    def start(self) -> Self:
        """Begin; nothing when it has begun."""
        if not self._periodic.running:
            self._started = self._clock.now()
        return super().start()

    def check(self) -> LeakVerdict:
        """Take one sample now, as the thread does, and act on it; waits out an investigation."""
        sample = read_sample(self._clock.now(), requests=self._requests, in_flight=self._in_flight)
        grew = self._alarm.exceeded(sample.rss)
        step = self._watch.add(sample)
        if step == "count":
            self._census = take_census()
        elif step == "investigate":
            self._investigate()
        self._instruments.publish(self._watch.verdict, self._alarm.growth)
        if grew:
            _LOG.warning(
                "potential memory leak: %s resident, %s more than the baseline of %s",
                format_bytes(sample.rss),
                format_bytes(self._alarm.growth),
                format_bytes(sample.rss - self._alarm.growth),
            )
            if self._on_growth is not None:
                self._on_growth(self._alarm.growth)
        if self._watch.report():
            self._report()
        return self._watch.verdict

    def _tick(self) -> None:
        """One sample after a full collection; waits for one while none may be forced."""
        if self._clock.now() - self._started < self._options.warm_up:
            return
        due = self._clock.now()
        while not self._collections.happened(self._clock.now()):
            if self._periodic.wait(min(_POLL, self._options.interval)):
                return
        self._tell_of_delay(self._clock.now() - due)
        self.check()

    def _tell_of_delay(self, seconds: float) -> None:
        """Say once that samples are taken much more seldom than was asked for."""
        if seconds > self._options.interval and not self._delayed:
            self._delayed = True
            _LOG.warning(
                "samples of memory wait for full collections, the last one for %.3g s, beside the interval of %.3g s: "
                "forced ones may take %.3g of the time (pause_budget)",
                seconds,
                self._options.interval,
                self._options.pause_budget,
            )

    def _investigate(self) -> None:
        slope = self._watch.verdict.bytes_each
        census = self._census or take_census()
        self._tracing = not tracemalloc.is_tracing()
        try:
            found = investigate(
                census,
                self._options,
                work=self._work,
                bytes_each=slope[1] if slope is not None else 0.0,
                cpu_each=self._cpu_each(),
                wait=self._periodic.wait,
            )
        finally:
            self._tracing = False
        if found is not None:
            self._watch.learned(found)

    def _work(self) -> float:
        return self._clock.now() if self._requests is None or self._watch.verdict.per == "second" else self._requests()

    def _cpu_each(self) -> float | None:
        """CPU seconds a request (or second) over the last samples."""
        first, *_, last = self._watch.samples[-5:]
        if self._watch.verdict.per == "second":
            work = last.at - first.at
        else:
            work = (last.requests or 0) - (first.requests or 0)
        return (last.cpu_seconds - first.cpu_seconds) / work if work > 0 else None

    def _report(self) -> None:
        self.report = LeakReport(verdict=self._watch.verdict, evidence=self._watch.evidence)
        self._instruments.leak(self.report)
        _LOG.warning("%s", self.report)
        if self._on_leak is not None:
            self._on_leak(self.report)
