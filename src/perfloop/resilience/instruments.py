"""What parts count, as instruments of a registry. Asked for when somebody reads: a call pays for nothing here."""

from __future__ import annotations

import weakref
from collections import Counter as Counts
from threading import RLock
from typing import TYPE_CHECKING

from ..telemetry.forks import renew_lock_in_forks
from ..telemetry.resilience import announce
from .gauge_meanings import meaning

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..telemetry import Counter, Merge, Registry
    from .part import Part

__all__ = ["publish"]

_groups: weakref.WeakKeyDictionary[Registry, dict[tuple[str, str], _Group]] = weakref.WeakKeyDictionary()


def publish(part: Part, registry: Registry) -> None:
    """Export the part's counts as `perfloop.<kind>.calls` and its gauges as `perfloop.<kind>.<gauge>`.

    Parts of one kind and name add up, but for shares, of which the worst counts; of states, how many parts are in each.
    Of a part that is gone the counts stay that were read before.
    """
    prefix = f"perfloop.{part.kind}."
    announce(registry, [f"{prefix}calls", *(prefix + gauge for gauge in part.gauge_names)])
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
            _publish_gauge(part, gauge, group, registry)
    group.parts.add(part)


def _publish_gauge(part: Part, gauge: str, group: _Group, registry: Registry) -> None:
    name, told = f"perfloop.{part.kind}.{gauge}", meaning(gauge)
    if gauge == "state" and part.states:
        family = registry.observable_gauge(name, told.description, labels=("name", "state"))
        for number, state in enumerate(part.states):
            family.labels(part.name, state).observe(group.counter(gauge, number))
        return
    registry.observable_gauge(name, told.description, labels=("name",), unit=told.unit, merge=told.merge).labels(
        part.name
    ).observe(group.observer(gauge, told.merge))


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

    def observer(self, gauge: str, merge: Merge) -> Callable[[], float]:
        """Adds the gauge of all parts, or takes the largest."""

        def observe() -> float:
            values = [part.gauges().get(gauge, 0) for part in list(self.parts)]
            return max(values, default=0) if merge == "max" else sum(values)

        return observe

    def counter(self, gauge: str, number: int) -> Callable[[], float]:
        """Counts the parts whose gauge is this number."""
        return lambda: sum(part.gauges().get(gauge) == number for part in list(self.parts))
