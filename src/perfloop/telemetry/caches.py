"""What caches say of themselves, as those read it who know no cache: the live page, the agent, the diagnosis.

A cache counts in instruments of a registry (`perfloop.cache.…`, labelled with its name), and tells what is no number
here. `figures_of` makes figures of both, of one process or of several together: counts and gauges alike are added.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .registry import Registry
    from .snapshots import FamilySnapshot

__all__ = [
    "FEW_LOOKUPS",
    "PROCESS",
    "CacheAbout",
    "CacheFigures",
    "CacheReport",
    "Counts",
    "GhostFigures",
    "KeyPart",
    "LevelFigures",
    "Teller",
    "abouts",
    "added",
    "announce",
    "counts_of",
    "counts_told",
    "figures_of",
    "report",
    "since",
    "verdict",
]

PROCESS = "process"
"""The level in the process itself."""
_PREFIX = "perfloop.cache."
_LEVEL, _GHOST = ("cache", "level"), ("cache", "policy", "size")
_COUNTERS = {
    "hits": _LEVEL,
    "misses": _LEVEL,
    "failures": _LEVEL,
    "lookup.seconds": _LEVEL,
    "loads": ("cache",),
    "load.failures": ("cache",),
    "load.seconds": ("cache",),
    "stale": ("cache",),
    "unread": ("cache",),
}
"""Metric → its labels."""
_GAUGES = {
    "entries": ("cache",),
    "entries.limit": ("cache",),
    "size": ("cache",),
    "size.limit": ("cache",),
    "level.failing": _LEVEL,
    "level.missed_changes": _LEVEL,
    "ghost.hits": _GHOST,
    "ghost.lookups": _GHOST,
}
_METRICS = {**_COUNTERS, **_GAUGES}
FEW_LOOKUPS = 1000
"""Below it nothing is said of whether a cache pays."""
_FEW_LOADS = 10
_CLEARLY, _NEARLY = 0.02, 0.7
"""How much more another size or policy must find to be named, and what part of what the best one finds more."""

Counts: TypeAlias = "dict[str, dict[tuple[str, ...], float]]"
"""Metric, without `perfloop.cache.` → label values → number."""


class KeyPart(msgspec.Struct, frozen=True):
    """A part of a cache's keys, in a sample of them."""

    name: str
    """The argument of a declared template, else `part 2`."""
    distinct: int
    """How many values it has."""
    without: int
    """How many keys there would be without it."""


class CacheAbout(msgspec.Struct, frozen=True, kw_only=True):
    """What a cache says of itself beside its counts. Holds no key and no value, unless the cache was made to tell."""

    name: str
    policy: str = ""
    file: str = ""
    """Where it was made."""
    line: int = 0
    function: str = ""
    levels: list[str] = msgspec.field(default_factory=list)
    """From the process' own to the lowest."""
    keys: list[str] = msgspec.field(default_factory=list)
    """What its keys look like: the templates in the code, else their type."""
    sampled: int = 0
    """Keys that were loaded and are remembered: those that most time was spent on."""
    dearest_share: float = 0.0
    """Of the seconds spent on loading, what the ten dearest keys took."""
    dearest: list[tuple[str, float]] = msgspec.field(default_factory=list)
    """The keys themselves and their seconds, where the cache was made with `tell_keys`."""
    parts: list[KeyPart] = msgspec.field(default_factory=list)
    """Empty where keys are of one part, or not alike."""


class CacheReport(msgspec.Struct, frozen=True):
    """All caches of one process."""

    counts: list[tuple[str, list[str], float]]
    """Metric, label values, number."""
    about: list[CacheAbout]


class LevelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One level of a cache."""

    name: str
    hits: float
    misses: float
    failures: float
    lookup_seconds: float
    """Spent on looking up at it; 0 for the process' own, where it is not measured."""
    saved_seconds: float
    """Of loading, by what it had, at the mean time of a load."""
    failing: bool
    """Its last answer was a failure: it is left alone for a while."""
    missed_changes: float
    """Which it is yet to be told of."""
    verdict: str
    """`pays`, `loses` or `not enough data`."""

    @property
    def lookups(self) -> float:
        return self.hits + self.misses

    @property
    def hit_ratio(self) -> float | None:
        return self.hits / self.lookups if self.lookups else None


class GhostFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What another size or policy would have found."""

    policy: str
    size: float
    """Times the present one."""
    hit_ratio: float
    lookups: float
    """That it rests on."""


class CacheFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One cache, of all processes that have one of its name."""

    name: str
    entries: float
    max_entries: float | None
    """None: no bound."""
    bytes: float | None
    """Of its entries, encoded; None where they are not weighed."""
    max_bytes: float | None
    """None: no bound."""
    levels: list[LevelFigures]
    loads: float
    load_failures: float
    load_seconds: float
    stale: float
    unread: float
    """Entries that went without having been given once."""
    ghosts: list[GhostFigures]
    about: CacheAbout

    @property
    def lookups(self) -> float:
        """Of keys, by callers."""
        return self.levels[0].lookups

    @property
    def hit_ratio(self) -> float | None:
        """Of all levels together: what needed no load. None without look-ups."""
        own = self.levels[0]
        hits = own.hits + sum(level.hits for level in self.levels[1:])
        return min(hits / own.lookups, 1.0) if own.lookups else None

    @property
    def mean_load_seconds(self) -> float:
        return self.load_seconds / self.loads if self.loads else 0.0

    @property
    def saved_seconds(self) -> float:
        """Of loading, by all levels."""
        return sum(level.saved_seconds for level in self.levels)

    @property
    def saved_seconds_per_mb(self) -> float | None:
        """By the process' own level, for each of its megabytes; None where they are not weighed."""
        return self.levels[0].saved_seconds / (self.bytes / 1e6) if self.bytes else None

    @property
    def verdict(self) -> str:
        """`loses` if a level does, since the cache would do better without that; else as its own level."""
        return "loses" if any(level.verdict == "loses" for level in self.levels) else self.levels[0].verdict

    @property
    def present(self) -> GhostFigures | None:
        """What is found with the size and policy it has, by the same sample as the others; None without enough of
        it."""
        own = next((each for each in self.ghosts if each.size == 1 and each.policy == self.about.policy), None)
        return own if own is not None and own.lookups >= FEW_LOOKUPS else None

    @property
    def better(self) -> GhostFigures | None:
        """The least change that finds clearly more: another policy, which costs nothing, else twice or four times the
        size. None: there is none, or too little is known."""
        own = self.present
        if own is None:
            return None
        gains = [(each.hit_ratio - own.hit_ratio, each) for each in self.ghosts if each.size >= 1]
        most = max(gain for gain, _ in gains)
        clear = [each for gain, each in gains if gain >= max(_CLEARLY, _NEARLY * most)]
        return min(clear, key=lambda each: (each.size, -each.hit_ratio), default=None)


class Teller(Protocol):
    """A cache, as far as it tells of itself."""

    def about(self) -> CacheAbout: ...


_registries: weakref.WeakSet[Registry] = weakref.WeakSet()
_tellers: weakref.WeakSet[Teller] = weakref.WeakSet()


def announce(teller: Teller, registry: Registry) -> None:
    """Take a new cache and the registry it counts in. Both are let go of when nobody else holds them."""
    _tellers.add(teller)
    _registries.add(registry)


def abouts() -> list[CacheAbout]:
    """What the caches of this process tell."""
    return [teller.about() for teller in list(_tellers)]


def report() -> bytes:
    """A `CacheReport` of this process as JSON; empty where there is no cache. The agent asks for it by its name."""
    registries = list(_registries)
    counts: Counts = {}
    for registry in registries:
        families = (registry.read(_PREFIX + name) for name in _METRICS)
        counts = added([counts, counts_of(family for family in families if family is not None)])
    if not counts:
        return b""
    rows = [(name, list(labels), number) for name, series in counts.items() for labels, number in series.items()]
    return msgspec.json.encode(CacheReport(rows, abouts()))


def counts_of(families: Iterable[FamilySnapshot]) -> Counts:
    """The caches' numbers among all families of a registry."""
    counts: Counts = {}
    for family in families:
        name = family.name.removeprefix(_PREFIX)
        if family.name.startswith(_PREFIX) and family.label_names == _METRICS.get(name):
            numbers = {each.labels: each.value for each in family.series if isinstance(each.value, int | float)}
            counts[name] = numbers
    return counts


def counts_told(told: CacheReport) -> Counts:
    """The numbers of a report, as far as a cache of this version could have counted them: it comes from elsewhere."""
    counts: Counts = {}
    for name, labels, number in told.counts:
        if len(labels) == len(_METRICS.get(name, ())) and 0 <= number < math.inf and _is_size(name, labels):
            counts.setdefault(name, {})[tuple(labels)] = number
    return counts


def _is_size(name: str, labels: Sequence[str]) -> bool:
    return _METRICS[name] != _GHOST or labels[2].replace(".", "", 1).isdecimal()


def added(parts: Iterable[Mapping[str, Mapping[tuple[str, ...], float]]], *, gauges: bool = True) -> Counts:
    """The counts of several processes, or times, together.

    Args:
        gauges: False leaves out what is only true of a process that lives.
    """
    total: Counts = {}
    for part in parts:
        for name, series in part.items():
            if gauges or name in _COUNTERS:
                numbers = total.setdefault(name, {})
                for labels, number in series.items():
                    numbers[labels] = numbers.get(labels, 0) + number
    return total


def since(now: Counts, before: Counts) -> Counts:
    """What was counted since `before`; gauges as they are now."""
    return {
        name: {
            labels: max(number - before.get(name, {}).get(labels, 0), 0) if name in _COUNTERS else number
            for labels, number in series.items()
        }
        for name, series in now.items()
    }


def verdict(*, hits: float, misses: float, loads: float, seconds: float, mean: float) -> str:
    """Whether looking up at a level takes less time than loading what it found would: `pays`, `loses` or `not enough
    data`.

    Args:
        seconds: spent on looking up.
        mean: seconds of a load.
    """
    if hits + misses < FEW_LOOKUPS or loads < _FEW_LOADS:
        return "not enough data"
    return "loses" if not hits or seconds > hits * mean else "pays"


def figures_of(counts: Counts, about: Sequence[CacheAbout] = ()) -> list[CacheFigures]:
    """Figures of each cache that a living process has; those with the most look-ups first.

    Args:
        counts: of all processes.
        about: what caches tell; of several of one name, the first that has keys counts.
    """
    told: dict[str, CacheAbout] = {}
    for each in sorted(about, key=lambda each: -each.sampled):
        told.setdefault(each.name, each)
    figures = [
        _figures(name, counts, told.get(name) or CacheAbout(name=name)) for (name, *_) in counts.get("entries", {})
    ]
    return sorted(figures, key=lambda each: (-each.lookups, each.name))


def _figures(name: str, counts: Counts, about: CacheAbout) -> CacheFigures:
    def number(metric: str, *labels: str) -> float:
        return counts.get(metric, {}).get((name, *labels), 0)

    loads, load_seconds = number("loads"), number("load.seconds")
    mean = load_seconds / loads if loads else 0.0

    def level(each: str) -> LevelFigures:
        hits, misses, seconds = (number(metric, each) for metric in ("hits", "misses", "lookup.seconds"))
        return LevelFigures(
            name=each,
            hits=hits,
            misses=misses,
            failures=number("failures", each),
            lookup_seconds=seconds,
            saved_seconds=hits * mean,
            failing=number("level.failing", each) > 0,
            missed_changes=number("level.missed_changes", each),
            verdict=verdict(hits=hits, misses=misses, loads=loads, seconds=seconds, mean=mean),
        )

    known = [labels[1] for labels in counts.get("misses", {}) if labels[0] == name]
    below = about.levels[1:] or [each for each in known if each != PROCESS]
    ghosts = [
        GhostFigures(
            policy=labels[1],
            size=float(labels[2]),
            hit_ratio=number("ghost.hits", *labels[1:]) / lookups,
            lookups=lookups,
        )
        for labels, lookups in counts.get("ghost.lookups", {}).items()
        if labels[0] == name and lookups
    ]
    return CacheFigures(
        name=name,
        entries=number("entries"),
        max_entries=number("entries.limit") or None,
        bytes=number("size") if (name,) in counts.get("size", {}) else None,
        max_bytes=number("size.limit") or None,
        levels=[level(PROCESS), *map(level, below)],
        loads=loads,
        load_failures=number("load.failures"),
        load_seconds=load_seconds,
        stale=number("stale"),
        unread=number("unread"),
        ghosts=sorted(ghosts, key=lambda each: (each.policy != about.policy, each.policy, each.size)),
        about=about,
    )
