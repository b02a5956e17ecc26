"""What a cache does for its money: hits by level, seconds saved, keys by what they cost, and whether it pays at all."""

from __future__ import annotations

import weakref
from threading import RLock
from typing import TYPE_CHECKING

import msgspec

from ..telemetry.caches import PROCESS, verdict
from ..telemetry.counter import Counter
from ..telemetry.forks import renew_lock_in_forks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..telemetry import Registry
    from .local import LocalLevel

__all__ = ["CacheStatistics", "CostlyKey", "Insight", "LevelCounts", "LevelStatistics"]

_MOST_KEYS = 256


class LevelStatistics(msgspec.Struct, frozen=True):
    """What one level did."""

    name: str
    """`process` for the process' own."""
    hits: int
    misses: int
    failures: int
    seconds: float
    """Spent on looking up at it; 0 for the process' own, where it is not measured."""
    saved_seconds: float
    """Of loading, by what it had, at the mean time of a load."""
    verdict: str
    """`pays`, `loses`: looking up takes longer than what is found saves; `not enough data`."""

    @property
    def hit_ratio(self) -> float:
        """Of the look-ups that came to it; 0 if none did."""
        return self.hits / max(self.hits + self.misses, 1)


class CostlyKey(msgspec.Struct, frozen=True):
    """A key that much time was spent on loading."""

    key: str
    seconds: float
    """An upper bound: too much by `uncertain` at most."""
    uncertain: float


class CacheStatistics(msgspec.Struct, frozen=True):
    """What a cache has done since it was made."""

    name: str
    levels: tuple[LevelStatistics, ...]
    """From the process' own to the lowest."""
    loads: int
    load_failures: int
    load_seconds: float
    stale: int
    """How often a stale value was given because loading failed or took too long."""
    entries: int
    """In the process."""
    bytes: int | None
    """Of the entries in the process, encoded; None where they are not weighed."""
    costly_keys: tuple[CostlyKey, ...]
    """Those that most time was spent on loading, the dearest first."""

    @property
    def saved_seconds(self) -> float:
        """Of loading, by all levels."""
        return sum(level.saved_seconds for level in self.levels)

    @property
    def saved_seconds_per_mb(self) -> float | None:
        """Of loading, by the process' own level, for each of its megabytes; None where they are not weighed."""
        return self.levels[0].saved_seconds / (self.bytes / 1e6) if self.bytes else None


class _Costs:
    """Seconds by key, of the dearest, in bounded memory (Space-Saving: Metwally, Agrawal, El Abbadi, ICDT 2005)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seconds: dict[str, float] = {}
        self._uncertain: dict[str, float] = {}
        """Of those that had no place of their own at first: how many seconds may be others' that had it before."""
        self._lock = RLock()
        renew_lock_in_forks(self)

    def add(self, key: str, seconds: float) -> None:
        with self._lock:
            if key not in self._seconds and len(self._seconds) >= self._most:
                least = min(self._seconds, key=self._seconds.__getitem__)
                self._uncertain.pop(least, None)
                self._uncertain[key] = self._seconds[key] = self._seconds.pop(least)
            self._seconds[key] = self._seconds.get(key, 0.0) + seconds

    def dearest(self, count: int) -> tuple[CostlyKey, ...]:
        with self._lock:
            keys = [CostlyKey(key, seconds, self._uncertain.get(key, 0.0)) for key, seconds in self._seconds.items()]
        return tuple(sorted(keys, key=lambda each: -each.seconds)[:count])


class _Count:
    """Counts for one cache, and for all of its name in the registry."""

    def __init__(self, exported: Counter, noting: Callable[[], None] | None = None) -> None:
        self._own, self._exported = Counter(), exported
        self._noting = noting

    def inc(self, amount: float = 1) -> None:
        if amount:
            self._own.inc(amount)
            self._exported.inc(amount)
            if self._noting is not None:
                self._noting()

    @property
    def value(self) -> float:
        return self._own.value


class LevelCounts:
    """The counts of one level."""

    def __init__(self, registry: Registry, cache: str, level: str) -> None:
        labels = ("cache", "level")
        self.cache = cache
        self.name = level
        self.failing = False
        """Whether its last answer was a failure."""
        answered = None if level == PROCESS else self._answered
        self.hits = _Count(
            registry.counter("perfloop.cache.hits", "Keys found.", labels=labels).labels(cache, level), answered
        )
        self.misses = _Count(
            registry.counter("perfloop.cache.misses", "Keys not found.", labels=labels).labels(cache, level), answered
        )
        self.failures = _Count(
            registry.counter("perfloop.cache.failures", "Requests a level did not answer.", labels=labels).labels(
                cache, level
            ),
            self._failed,
        )
        self.seconds = _Count(
            registry.counter(
                "perfloop.cache.lookup.seconds", "Spent on looking up at a level.", labels=labels, unit="s"
            ).labels(cache, level)
        )

    def _answered(self) -> None:
        self.failing = False

    def _failed(self) -> None:
        self.failing = True


class Insight:
    """Counts what a cache does. Hits in the process are counted by its entries, and asked for when somebody reads."""

    def __init__(self, cache: str, levels: Sequence[str], registry: Registry, local: LocalLevel) -> None:
        """For a cache.

        Args:
            levels: the names of the shared ones, from the highest to the lowest.
            local: its own level, whose entries count how often they were given.
        """
        self.cache = cache
        self._hits = local.hits
        self.process = LevelCounts(registry, cache, PROCESS)
        self.levels = [LevelCounts(registry, cache, level) for level in levels]
        labels = ("cache",)
        self.loads = _Count(registry.counter("perfloop.cache.loads", "Keys loaded.", labels=labels).labels(cache))
        self.load_failures = _Count(
            registry.counter("perfloop.cache.load.failures", "Loads that raised.", labels=labels).labels(cache)
        )
        self.load_seconds = _Count(
            registry.counter("perfloop.cache.load.seconds", "Spent on loading.", labels=labels, unit="s").labels(cache)
        )
        self.stale = _Count(
            registry.counter(
                "perfloop.cache.stale", "Stale values given where loading failed or took too long.", labels=labels
            ).labels(cache)
        )
        self._costs = _Costs(_MOST_KEYS)
        weakly = weakref.ref(local)
        _feed(self.process.hits._exported, lambda: None if (level := weakly()) is None else level.hits())
        unread = registry.counter(
            "perfloop.cache.unread", "Entries that went without having been given once.", labels=labels
        )
        _feed(unread.labels(cache), lambda: None if (level := weakly()) is None else level.unread)

    def costs(self) -> tuple[CostlyKey, ...]:
        """The keys that most time was spent on, the dearest first."""
        return self._costs.dearest(_MOST_KEYS)

    def loaded(self, keys: Sequence[str], seconds: float) -> None:
        """A loader has returned."""
        self.loads.inc(len(keys))
        self.load_seconds.inc(seconds)
        for key in keys:
            self._costs.add(key, seconds / len(keys))

    def statistics(self, *, entries: int, weight: int | None, costly: int = 10) -> CacheStatistics:
        """What was counted so far."""
        loads, load_seconds = int(self.loads.value), self.load_seconds.value
        mean = load_seconds / loads if loads else 0.0
        found = [(self.process, self._hits()), *((level, int(level.hits.value)) for level in self.levels)]
        return CacheStatistics(
            name=self.cache,
            levels=tuple(_statistics(level, hits, loads, mean) for level, hits in found),
            loads=loads,
            load_failures=int(self.load_failures.value),
            load_seconds=load_seconds,
            stale=int(self.stale.value),
            entries=entries,
            bytes=weight,
            costly_keys=self._costs.dearest(costly),
        )


def _feed(counter: Counter, count: Callable[[], int | None]) -> None:
    """Have a counter ask, when it is read, for what was counted elsewhere; None: it is gone."""
    told = 0

    def tell() -> None:
        nonlocal told
        now = count()
        if now is not None:
            counter.inc(max(now - told, 0))
            told = now

    counter.feed(tell)


def _statistics(level: LevelCounts, hits: int, loads: int, mean: float) -> LevelStatistics:
    misses, seconds = int(level.misses.value), level.seconds.value
    judged = verdict(hits=hits, misses=misses, loads=loads, seconds=seconds, mean=mean)
    return LevelStatistics(level.name, hits, misses, int(level.failures.value), seconds, hits * mean, judged)
