"""What the process' own level keeps, and what an access costs it, beside theine doing the same."""

from __future__ import annotations

import functools
import statistics
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import cachebox
import cachetools
import theine

from perfloop.caching.local import Entry
from perfloop.caching.stores import make_store

from .traces import TRACES, trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["measure"]

_ENTRIES = 10_000
_ACCESSES = 1_000_000
_TIMED = 200_000
_ROUNDS = 5
_PAIR_ROUNDS = 21
"""Of the two that are compared: where the machine's speed changes by the second, the median of few ratios is chance."""
_HOUR = 3600.0


def measure(full: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and peers.

    Args:
        full: four times the rounds.
    """
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    for name in TRACES:
        keys = trace(name, length=_ACCESSES, entries=_ENTRIES)
        ratios = {which: play(keys) / len(keys) for which, play in _PLAYERS.items()}
        nanoseconds = _interleaved(keys[-_TIMED:], 4 if full else 1)
        figures[f"hit_ratio_{name}"] = ratios["perfloop"]
        figures[f"hit_ratio_{name}_vs_theine"] = ratios["perfloop"] / ratios["theine"]
        figures[f"access_{name}_vs_theine"] = statistics.median(
            ours / theirs for ours, theirs in zip(nanoseconds["perfloop"], nanoseconds["theine"], strict=True)
        )
        for which, times in nanoseconds.items():
            target = figures if which == "perfloop" else peers
            prefix = "" if which == "perfloop" else f"{which}_"
            target[f"{prefix}access_{name}_ns"] = statistics.median(times)
            if which != "perfloop":
                peers[f"{which}_hit_ratio_{name}"] = ratios[which]
    figures["hit_ratio_vs_theine"] = min(figures[f"hit_ratio_{name}_vs_theine"] for name in TRACES)
    figures["access_vs_theine"] = max(figures[f"access_{name}_vs_theine"] for name in TRACES)
    return figures, peers


def _interleaved(keys: Sequence[str], times_longer: int) -> dict[str, list[float]]:
    """Nanoseconds an access of each, round by round, in turning order."""
    times: dict[str, list[float]] = {which: [] for which in _PLAYERS}
    for number in range(_PAIR_ROUNDS * times_longer):
        order = list(_PLAYERS) if number < _ROUNDS * times_longer else ["perfloop", "theine"]
        for which in order[number % len(order) :] + order[: number % len(order)]:
            started = time.perf_counter()
            _PLAYERS[which](keys)
            times[which].append((time.perf_counter() - started) / len(keys) * 1e9)
    return times


def _perfloop(keys: Sequence[str]) -> int:
    """A look-up as `MultiLevelCache.get` does it, with the deadline and the count of hits."""
    store = make_store("tinylfu", max_entries=_ENTRIES)
    get, put, now, hits = store.get, store.put, time.monotonic, 0
    for key in keys:
        entry = get(key)
        if entry is not None and entry.deadline > now():
            entry.hits += 1
            hits += 1
        else:
            until = now() + _HOUR
            put(key, Entry(key, until, until, until))
    return hits


def _theine(keys: Sequence[str]) -> int:
    cache: Any = theine.Cache(_ENTRIES)
    get, put, ttl, hits = cache.get, cache.set, timedelta(seconds=_HOUR), 0
    for key in keys:
        _, found = get(key)
        if found:
            hits += 1
        else:
            put(key, key, ttl)
    cache.close()
    return hits


def _mapping(make: Callable[[], Any], keys: Sequence[str]) -> int:
    cache = make()
    get, put, hits = cache.get, cache.__setitem__, 0
    for key in keys:
        if get(key) is not None:
            hits += 1
        else:
            put(key, key)
    return hits


def _lru_cache(keys: Sequence[str]) -> int:
    cache = functools.lru_cache(_ENTRIES)(lambda key: key)
    for key in keys:
        cache(key)
    return cache.cache_info().hits


_PLAYERS: dict[str, Callable[[Sequence[str]], int]] = {
    "perfloop": _perfloop,
    "theine": _theine,
    "cachebox_lfu": functools.partial(_mapping, lambda: cachebox.LFUCache(_ENTRIES)),
    "cachebox_lru": functools.partial(_mapping, lambda: cachebox.LRUCache(_ENTRIES)),
    "cachetools_ttl": functools.partial(_mapping, lambda: cachetools.TTLCache(_ENTRIES, _HOUR)),
    "lru_cache": _lru_cache,
}
