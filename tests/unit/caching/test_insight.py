"""What a cache counts, and what it says of itself."""

from __future__ import annotations

import gc

import pytest

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache
from perfloop.exceptions import LevelFailed
from perfloop.telemetry import Registry


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


def load_in(time: Time, seconds: float, value: int = 1) -> int:
    time.seconds += seconds
    return value


def test_hits_are_told_by_level_and_seconds_saved() -> None:
    time, registry = Time(), Registry()
    cache: MultiLevelCache[int, int] = MultiLevelCache(
        int, key=int, levels=[MemoryLevel("below", clock=time)], max_entries=10, clock=time, registry=registry, name="c"
    )
    for key in range(40):
        cache.get_or_load(key, lambda: load_in(time, 0.5))
    for _ in range(3):
        cache.get_or_load(39, lambda: 0)
    for key in range(20):
        cache.get_or_load(key, lambda: 0)
    told = cache.statistics()
    process, below = told.levels
    assert (told.loads, told.load_seconds, told.entries) == (40, 20.0, len(cache))
    assert process.hits + process.misses == 63
    assert process.hits + below.hits + told.loads == 63
    assert process.saved_seconds == 0.5 * process.hits
    assert process.verdict == "not enough data"
    assert told.saved_seconds_per_mb is not None
    labels = ("cache", "level")
    exported = registry.counter("perfloop.cache.hits", "Keys found.", labels=labels)
    assert exported.labels("c", "process").value == process.hits
    assert exported.labels("c", "below").value == below.hits
    cache.clear()
    assert cache.statistics().levels[0].hits == process.hits


def test_a_level_that_takes_longer_than_it_saves_loses() -> None:
    time = Time()

    class Slow(MemoryLevel):
        def read(self, keys):  # type: ignore[no-untyped-def]
            time.seconds += 0.2
            return super().read(keys)

    cache: MultiLevelCache[int, int] = MultiLevelCache(
        int,
        key=int,
        levels=[Slow("slow", clock=time)],
        max_entries=1,
        clock=time,
        registry=Registry(),
        options=EntryOptions(ttl=1e6),
    )
    for number in range(1200):
        cache.get_or_load(number % 600, lambda: load_in(time, 0.1))
    process, slow = cache.statistics().levels
    assert (process.verdict, slow.verdict) == ("loses", "loses")
    assert slow.hit_ratio == pytest.approx(0.5)


def test_the_dearest_keys_failures_and_stale_values() -> None:
    time = Time()
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, clock=time, registry=Registry())
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60)
    for number in range(400):
        cache.get_or_load(f"k{number}", lambda: load_in(time, 0.001))
    cache.get_or_load("dear", lambda: load_in(time, 9.0), options)

    def fail() -> int:
        raise OSError("down")

    time.seconds += 11
    assert cache.get_or_load("dear", fail, options) == 1
    with pytest.raises(OSError, match="down"):
        cache.get_or_load("other", fail)
    told = cache.statistics()
    assert told.costly_keys[0].key == "dear"
    assert told.costly_keys[0].seconds - told.costly_keys[0].uncertain == pytest.approx(9.0)
    assert (told.load_failures, told.stale) == (2, 1)


def test_a_level_that_does_not_answer_is_counted() -> None:
    class Down(MemoryLevel):
        def read(self, keys):  # type: ignore[no-untyped-def]
            raise LevelFailed("down")

    cache = MultiLevelCache(int, levels=[Down("down")], registry=Registry())
    assert cache.get("k") is None
    assert cache.statistics().levels[1].failures == 1


def test_a_cache_that_is_gone_is_not_kept_by_its_counts() -> None:
    registry = Registry()
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, registry=registry, name="gone")
    cache.set("k", 1)
    assert [cache.get("k") for _ in range(3)] == [1, 1, 1]
    hits = registry.counter("perfloop.cache.hits", "Keys found.", labels=("cache", "level")).labels("gone", "process")
    assert hits.value == 3
    del cache
    gc.collect()
    assert hits.value == 3


@pytest.mark.parametrize("policy", ["lru", "lfu", "tinylfu"])
def test_a_hit_counts_once_though_its_entry_is_loaded_anew(policy: str) -> None:
    time = Time()
    cache: MultiLevelCache[str, int] = MultiLevelCache(
        int, clock=time, registry=Registry(), policy=policy, options=EntryOptions(ttl=10, jitter=0)
    )
    for _ in range(3):
        for _ in range(5):
            cache.get_or_load("k", lambda: 1)
        time.seconds += 20
    told = cache.statistics()
    assert (told.levels[0].hits, told.levels[0].misses, told.loads) == (12, 3, 3)
