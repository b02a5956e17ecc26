"""A registry as observable instruments of a meter, for programs that have an OpenTelemetry pipeline of their own.

OpenTelemetry asks when it collects; recording costs what it costs without. Its API has no observable histogram:
histograms reach a collector through `exporters.opentelemetry.OtlpExporter`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..registry import DEFAULT_REGISTRY, Registry
from ..snapshots import Distribution, Occurrences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, Meter, Observation

__all__ = ["MeterBridge"]


class MeterBridge:
    """Makes an observable counter of each counter and event, and an observable gauge of each gauge, under its name.

    Args:
        meter: of the program's own `MeterProvider`.
        registry: the one to read, of this process: OpenTelemetry adds up processes itself.
    """

    def __init__(self, meter: Meter, registry: Registry = DEFAULT_REGISTRY) -> None:
        self._meter = meter
        self._registry = registry
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self.update()

    def update(self) -> list[str]:
        """Add the metrics that the registry has got since the last time; gives their names."""
        with self._lock:
            new = [family for family in self._registry.collect() if family.name not in self._known]
            self._known.update(family.name for family in new)
        made = []
        for family in new:
            if family.kind == "histogram":
                continue
            gauge = family.kind == "gauge"
            make = self._meter.create_observable_gauge if gauge else self._meter.create_observable_counter
            make(family.name, [self._callback(family.name)], family.unit, family.description)
            made.append(family.name)
        return made

    def _callback(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        from opentelemetry.metrics import Observation

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            family = self._registry.read(name)
            if family is None:
                return []
            return [
                Observation(
                    series.value.count if isinstance(series.value, Occurrences) else series.value,
                    dict(zip(family.label_names, series.labels, strict=True)),
                )
                for series in family.series
                if not isinstance(series.value, Distribution)
            ]

        return observe
