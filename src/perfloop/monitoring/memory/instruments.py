"""The instruments that the memory monitor and the leak detector publish through."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from .verdict import LeakClass

if TYPE_CHECKING:
    from ...telemetry import Registry
    from .evidence import LeakReport
    from .samples import MemorySample
    from .verdict import LeakVerdict

__all__ = ["LeakInstruments", "MemoryInstruments"]


class MemoryInstruments:
    """What memory is: one gauge a figure, by the monitor's name."""

    def __init__(self, registry: Registry, name: str) -> None:
        """Register them, or share those that are there.

        Raises:
            ConfigurationError: one of the names is taken by something else.
        """
        figures = {
            "rss": ("perfloop.memory.resident", "Pages in physical memory.", "By"),
            "pss": ("perfloop.memory.proportional", "Pages in physical memory, shared ones divided.", "By"),
            "malloc_in_use": ("perfloop.memory.malloc.in_use", "Allocated from the C library.", "By"),
            "malloc_free": ("perfloop.memory.malloc.free", "Freed, and kept by the C library.", "By"),
            "blocks": ("perfloop.memory.blocks", "Blocks of memory that Python's objects use.", "{block}"),
        }
        self._gauges = {
            figure: registry.gauge(metric, text, labels=["monitor"], unit=unit)
            for figure, (metric, text, unit) in figures.items()
        }
        self._high = registry.gauge(
            "perfloop.memory.high", "1 while resident memory is above the alert level.", labels=["monitor"]
        ).labels(name)
        self._alerts = registry.counter(
            "perfloop.memory.alerts", "How often memory became high.", labels=["monitor"]
        ).labels(name)
        self._name = name

    def publish(self, sample: MemorySample, *, high: bool, crossed: bool) -> None:
        """Take a reading."""
        for figure, gauge in self._gauges.items():
            value = getattr(sample, figure)
            if value is not None:
                gauge.labels(self._name).set(value)
        self._high.set(int(high))
        if crossed:
            self._alerts.inc()


class LeakInstruments:
    """What the leak detector says: its verdict as one gauge a class, the growth, and each leak as an event."""

    def __init__(self, registry: Registry, name: str) -> None:
        """As of `MemoryInstruments`."""
        verdict = registry.gauge(
            "perfloop.memory.leak.verdict", "1 for the class that memory's course has.", labels=["monitor", "class"]
        )
        self._classes = {kind: verdict.labels(name, kind) for kind in get_args(LeakClass)}
        self._growth = registry.gauge(
            "perfloop.memory.growth", "Resident memory beyond the baseline.", labels=["monitor"], unit="By"
        ).labels(name)
        self._slope = registry.gauge(
            "perfloop.memory.leak.growth_each",
            "Growth by request, or by second where nobody counts requests; 0 without a trend.",
            labels=["monitor"],
            unit="By",
        ).labels(name)
        self._leaks = registry.event("perfloop.memory.leaks", "Leaks found, with class, line and holder.")
        self._name = name

    def publish(self, verdict: LeakVerdict, growth: float) -> None:
        """Take a verdict, and bytes since the baseline."""
        for kind, gauge in self._classes.items():
            gauge.set(int(kind == verdict.kind))
        self._growth.set(growth)
        self._slope.set(verdict.bytes_each[1] if verdict.bytes_each is not None else 0)

    def leak(self, report: LeakReport) -> None:
        """Note a leak that is reported."""
        found = report.evidence
        self._leaks.record(
            monitor=self._name,
            kind=report.verdict.kind,
            line=str(found.lines[0]) if found is not None and found.lines else "",
            holder=found.path.text if found is not None and found.path is not None else "",
        )
