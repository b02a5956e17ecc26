"""What a cache shows of itself to who watches the service: gauges in the registry, and what is no number."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

from ..telemetry.caches import PROCESS, CacheAbout, announce
from .key_shapes import key_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..telemetry import Registry
    from .insight import Insight
    from .shared import SharedLevel
    from .stores import Ghosts
    from .stores.bounded import Bounded

__all__ = ["Telling"]

_DEAREST = 10
_OURS = ("perfloop.", "_perfloop_agent")


class Telling:
    """Tells of one cache, as long as somebody has that. Nothing here is asked for by a look-up."""

    def __init__(
        self,
        name: str,
        *,
        policy: str,
        store: Bounded[Any],
        weighs: bool,
        ghosts: Ghosts | None,
        levels: Sequence[SharedLevel],
        insight: Insight,
        key: Any,
        tell_keys: bool,
        registry: Registry,
    ) -> None:
        """Of a cache.

        Args:
            weighs: whether the store knows how heavy entries are.
            key: the keys' type.
            tell_keys: whether keys may be shown.
            registry: gets the gauges.
        """
        self._name = name
        self._policy = policy
        self._insight = insight
        self._key = key
        self._tell_keys = tell_keys
        self._levels = [PROCESS, *(shared.level.name for shared in levels)]
        self._place = _place()
        self.templates: list[str] = []
        """How the code makes keys, where it says so."""
        self._registry = registry
        """Read as long as we are there, though nobody else may have it."""
        announce(self, registry)
        self._publish(registry, store, weighs, ghosts, levels)

    def about(self) -> CacheAbout:
        """What is no number."""
        costs = self._insight.costs()
        total = self._insight.load_seconds.value
        dearest = costs[:_DEAREST]
        file, line, function = self._place
        return CacheAbout(
            name=self._name,
            policy=self._policy,
            file=file,
            line=line,
            function=function,
            levels=self._levels,
            keys=self.templates or [getattr(self._key, "__name__", None) or str(self._key)],
            sampled=len(costs),
            dearest_share=min(sum(each.seconds - each.uncertain for each in dearest) / total, 1.0) if total else 0.0,
            dearest=[(each.key, each.seconds) for each in dearest] if self._tell_keys else [],
            parts=key_parts([each.key for each in costs], self.templates),
        )

    def _publish(
        self,
        registry: Registry,
        store: Bounded[Any],
        weighs: bool,
        ghosts: Ghosts | None,
        levels: Sequence[SharedLevel],
    ) -> None:
        def gauge(metric: str, description: str, unit: str, labels: dict[str, str], read: Callable[[], float]) -> None:
            names = ("cache", *labels)
            family = registry.observable_gauge(f"perfloop.cache.{metric}", description, labels=names, unit=unit)
            _add(registry, metric, (self._name, *labels.values()), family.labels, self, read)

        gauge("entries", "Entries in the process.", "{entry}", {}, lambda: len(store))
        if store.max_entries < sys.maxsize:
            gauge("entries.limit", "How many it keeps.", "{entry}", {}, lambda: store.max_entries)
        if weighs:
            gauge("size", "Of the entries in the process, encoded.", "By", {}, lambda: store.weight)
        if store.max_weight < sys.maxsize:
            gauge("size.limit", "How much it keeps.", "By", {}, lambda: store.max_weight)
        for shared, counts in zip(levels, self._insight.levels, strict=True):
            level, weakly = {"level": shared.level.name}, weakref.ref(shared)  # it holds the cache
            gauge(
                "level.failing",
                "Whether the last answer of a level was a failure.",
                "",
                level,
                lambda counts=counts: float(counts.failing),  # type: ignore[misc]
            )
            gauge(
                "level.missed_changes",
                "Changes that a level is yet to be told of.",
                "{change}",
                level,
                lambda weakly=weakly: _missed(weakly()),  # type: ignore[misc]
            )
        for number, (policy, size) in enumerate(ghosts.watched if ghosts is not None else ()):
            assert ghosts is not None
            labels = {"policy": policy, "size": f"{size:g}"}

            def found(ghosts: Ghosts = ghosts, number: int = number) -> float:
                estimate = ghosts.estimates()[number]
                return estimate.hit_ratio * estimate.accesses

            gauge(
                "ghost.hits",
                "What another size or policy would have found, of a sample of late.",
                "{key}",
                labels,
                found,
            )
            gauge(
                "ghost.lookups",
                "Of that sample.",
                "{key}",
                labels,
                lambda ghosts=ghosts: ghosts.estimates()[0].accesses,  # type: ignore[misc]
            )


_members: weakref.WeakKeyDictionary[Registry, dict[tuple[str, tuple[str, ...]], dict[int, Callable[[], float]]]]
_members = weakref.WeakKeyDictionary()
"""Gauge → what each cache of that name says: together they are the gauge."""


def _add(
    registry: Registry,
    metric: str,
    labels: tuple[str, ...],
    child: Callable[..., Any],
    owner: Telling,
    read: Callable[[], float],
) -> None:
    readers = _members.setdefault(registry, {}).setdefault((metric, labels), {})
    readers[id(owner)] = read
    gauge = child(*labels)
    gauge.observe(lambda: sum(each() for each in list(readers.values())))

    def leave(number: int = id(owner)) -> None:
        readers.pop(number, None)
        if not readers:
            gauge.observe(None)

    weakref.finalize(owner, leave).atexit = False


def _missed(shared: SharedLevel | None) -> float:
    if shared is None:
        return 0
    missed = shared.missed
    return 1 if missed.everything else len(missed.keys) + len(missed.tags)


def _place() -> tuple[str, int, str]:
    """Whose code makes the cache: file, line and function of the first frame that is not ours."""
    frame = sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(_OURS):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
