"""What parts count, as instruments of a registry. Asked for when somebody reads: a call pays for nothing here."""

from __future__ import annotations

import weakref
from collections import Counter as Counts
from threading import RLock
from typing import TYPE_CHECKING

from ..telemetry.forks import renew_lock_in_forks

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..telemetry import Counter, Registry
    from .part import Part

__all__ = ["publish"]

_groups: weakref.WeakKeyDictionary[Registry, dict[tuple[str, str], _Group]] = weakref.WeakKeyDictionary()


def publish(part: Part, registry: Registry) -> None:
    """Export the part's counts as `perfloop.<kind>.calls` and its gauges as `perfloop.<kind>.<gauge>`.

    Parts of one kind and name add up. Of one that is gone the counts stay that were read before.
    """
    groups = _groups.setdefault(registry, {})
    group = groups.get((part.kind, part.name))
    if group is None:
        group = groups.setdefault((part.kind, part.name), _Group())
        calls = registry.counter(
            f"perfloop.{part.kind}.calls", "Calls by how they ended.", labels=("name", "result"), unit="{call}"
        )
        for result in part.results:
            counter = calls.labels(part.name, result)
            counter.feed(group.feeder(counter, result))
        for gauge in part.gauge_names:
            registry.observable_gauge(
                f"perfloop.{part.kind}.{gauge}", f"{gauge.replace('_', ' ').capitalize()}.", labels=("name",)
            ).labels(part.name).observe(group.observer(gauge))
    group.parts.add(part)


class _Group:
    """The parts of one kind and name."""

    def __init__(self) -> None:
        self.parts: weakref.WeakSet[Part] = weakref.WeakSet()
        self._told: weakref.WeakKeyDictionary[Part, Counts[str]] = weakref.WeakKeyDictionary()
        # Reentrant: a signal handler may read while its thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)

    def feeder(self, counter: Counter, result: str) -> Callable[[], None]:
        """Tells the counter what the parts have counted since it was last told."""

        def feed() -> None:
            with self._lock:
                for part in list(self.parts):
                    told = self._told.setdefault(part, Counts())
                    count = part.counts().get(result, 0)
                    counter.inc(count - told[result])
                    told[result] = count

        return feed

    def observer(self, gauge: str) -> Callable[[], float]:
        """Adds the gauge of all parts."""
        return lambda: sum(part.gauges().get(gauge, 0) for part in list(self.parts))
