"""`MemoryMonitor`: what memory a process uses, read now and then, and a warning when it is high."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...clock import MONOTONIC, Clock
from ...telemetry import DEFAULT_REGISTRY, Registry
from ...units import format_bytes
from ..periodic import Periodic, PeriodicMonitor
from .alert_level import AlertLevel, Level
from .instruments import MemoryInstruments
from .options import MemoryOptions
from .samples import MemorySample, read_sample

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MemoryMonitor"]

_LOG = logging.getLogger("perfloop.monitoring.memory")


class MemoryMonitor(PeriodicMonitor):
    """Reads this process' memory every 30 s, publishes it as gauges, and warns once when it rises above a level.

    A reading takes 10 µs in a small service and some milliseconds in a fragmented one of many gigabytes; see
    `read_sample`. The thread is a daemon and begins anew in a forked child.

        with MemoryMonitor(MemoryOptions(alert_bytes=400e6)) as monitor:
            ...
            monitor.figures.rss
    """

    def __init__(
        self,
        options: MemoryOptions | None = None,
        *,
        requests: Callable[[], float] | None = None,
        in_flight: Callable[[], float] | None = None,
        on_alert: Callable[[MemorySample], None] | None = None,
        name: str = "process",
        registry: Registry = DEFAULT_REGISTRY,
        clock: Clock = MONOTONIC,
    ) -> None:
        """Read memory once; `start` begins the periodic reading.

        Args:
            options: interval, alert level and what is read.
            requests: gives the number of requests answered, for the figures.
            in_flight: gives the number of requests being worked on.
            on_alert: called from the monitor's thread when memory becomes high; what it raises is logged.
            name: tells several monitors apart, label `monitor` of the instruments.
            registry: where the gauges go.
            clock: gives `MemorySample.at`.

        Raises:
            ConfigurationError: the registry has something else under one of the names.
        """
        self._options = options or MemoryOptions()
        self._requests = requests
        self._in_flight = in_flight
        self._on_alert = on_alert
        self._clock = clock
        self._alert = AlertLevel(self._options.alert_bytes)
        self._instruments = MemoryInstruments(registry, name)
        super().__init__(Periodic(self.check, self._options.interval, name="perfloop-memory", forked=lambda: None))
        self.figures: MemorySample = self._read()
        """The last reading."""

    @property
    def level(self) -> Level:
        """`high` since memory rose above the alert level, until it is clearly below it again."""
        return self._alert.level

    def check(self) -> MemorySample:
        """Read memory now, as the thread does."""
        sample = self.figures = self._read()
        crossed = self._alert.crossed(sample.rss)
        self._instruments.publish(sample, high=self._alert.level == "high", crossed=crossed)
        if crossed:
            _LOG.warning(
                "memory is high: %s resident, the alert level is %s; malloc has %s in use and keeps %s free",
                format_bytes(sample.rss),
                format_bytes(self._options.alert_bytes),
                "?" if sample.malloc_in_use is None else format_bytes(sample.malloc_in_use),
                "?" if sample.malloc_free is None else format_bytes(sample.malloc_free),
            )
            if self._on_alert is not None:
                self._on_alert(sample)
        return sample

    def _read(self) -> MemorySample:
        return read_sample(self._clock.now(), requests=self._requests, in_flight=self._in_flight, pss=self._options.pss)
