"""Figures of caches out of their counts: of one process, of several, of a stretch of time."""

from __future__ import annotations

import gc

import msgspec
import pytest

from perfloop.caching import MemoryLevel, MultiLevelCache
from perfloop.telemetry import Registry
from perfloop.telemetry.caches import (
    CacheAbout,
    CacheReport,
    Counts,
    added,
    counts_of,
    counts_told,
    figures_of,
    report,
    since,
)

COUNTS: Counts = {
    "entries": {("users",): 90},
    "entries.limit": {("users",): 100},
    "size": {("users",): 2e6},
    "hits": {("users", "process"): 6000, ("users", "redis"): 1000},
    "misses": {("users", "process"): 4000, ("users", "redis"): 3000},
    "lookup.seconds": {("users", "redis"): 20.0},
    "loads": {("users",): 3000},
    "load.seconds": {("users",): 30.0},
    "level.failing": {("users", "redis"): 1},
    "level.missed_changes": {("users", "redis"): 3},
    "ghost.hits": {("users", "lru", "2"): 840, ("users", "lru", "1"): 710},
    "ghost.lookups": {("users", "lru", "2"): 1000, ("users", "lru", "1"): 1000},
}


def test_figures_of_one_process() -> None:
    (users,) = figures_of(COUNTS, [CacheAbout(name="users", policy="lru", levels=["process", "redis"])])
    assert (users.entries, users.max_entries, users.bytes, users.max_bytes) == (90, 100, 2e6, None)
    assert (users.lookups, users.hit_ratio, users.mean_load_seconds) == (10_000, 0.7, 0.01)
    process, redis = users.levels
    assert (process.saved_seconds, process.verdict) == (60.0, "pays")
    assert users.saved_seconds_per_mb == 30.0
    assert (redis.hit_ratio, redis.verdict, redis.failing, redis.missed_changes) == (0.25, "loses", True, 3)
    assert users.verdict == "loses"
    assert [(ghost.policy, ghost.size, ghost.hit_ratio) for ghost in users.ghosts] == [
        ("lru", 1, 0.71),
        ("lru", 2, 0.84),
    ]


def test_processes_are_added_and_a_ratio_is_of_all_their_look_ups() -> None:
    other = {
        "entries": {("users",): 10},
        "hits": {("users", "process"): 0},
        "misses": {("users", "process"): 10_000},
        "ghost.hits": {("users", "lru", "2"): 0},
        "ghost.lookups": {("users", "lru", "2"): 3000},
    }
    (users,) = figures_of(added([COUNTS, other]))
    assert (users.entries, users.levels[0].hit_ratio, users.hit_ratio) == (100, 0.3, 0.35)
    assert next(ghost.hit_ratio for ghost in users.ghosts if ghost.size == 2) == 0.21


def test_of_a_process_that_has_ended_the_counts_alone_remain() -> None:
    assert figures_of(added([COUNTS], gauges=False)) == []
    (users,) = figures_of(added([added([COUNTS], gauges=False), {"entries": {("users",): 1}}]))
    assert (users.entries, users.lookups) == (1, 10_000)


def test_a_stretch_of_time_has_its_own_counts_and_gauges_as_they_are() -> None:
    now = added([COUNTS, {"hits": {("users", "process"): 50}, "entries": {("users",): 5}}])
    (users,) = figures_of(since(now, COUNTS))
    assert (users.lookups, users.levels[0].hit_ratio, users.entries, users.loads) == (50, 1.0, 95, 0)
    assert users.verdict == "not enough data"


def test_a_cache_tells_of_itself_and_is_gone_with_its_gauges() -> None:
    registry = Registry()
    cache: MultiLevelCache[str, int] = MultiLevelCache(
        int, levels=[MemoryLevel("below")], registry=registry, name="prices", max_entries=2, policy="lru", ghosts=True
    )
    other: MultiLevelCache[str, int] = MultiLevelCache(int, registry=registry, name="prices", max_entries=8)
    for key in ("a", "b", "c", "a", "a"):
        cache.get_or_load(key, lambda: 1)
    other.get_or_load("z", lambda: 1)
    read = msgspec.json.decode(report(), type=CacheReport)
    about = next(each for each in read.about if each.name == "prices" and each.policy == "lru")
    assert about.file == __file__
    assert about.levels == ["process", "below"]
    assert (about.keys, about.sampled, about.dearest) == (["str"], 3, [])
    (prices,) = figures_of(counts_of(registry.collect()), [about])
    assert (prices.entries, prices.max_entries, prices.loads) == (3, 10, 4)
    assert [level.name for level in prices.levels] == ["process", "below"]
    assert prices.ghosts[1].size == 1
    assert prices.ghosts[1].lookups == 5
    assert prices.unread == 2  # `a` for `c`, and `b` for `a`
    del cache
    gc.collect()
    (prices,) = figures_of(counts_of(registry.collect()))
    assert (prices.entries, prices.max_entries, prices.ghosts) == (1, 8, [])
    del other
    gc.collect()
    assert figures_of(counts_of(registry.collect())) == []


def test_of_a_report_what_no_cache_counts_is_left_out() -> None:
    told = CacheReport(
        [
            ("hits", ["users", "process"], 3),
            ("hits", ["users"], 1),
            ("hits", ["users", "redis"], -1),
            ("hits", ["users", "sqlite"], float("inf")),
            ("ghost.hits", ["users", "lru", "big"], 1),
            ("ghost.hits", ["users", "lru", "0.5"], 1),
            ("unknown", ["users"], 1),
        ],
        [],
    )
    assert counts_told(told) == {
        "hits": {("users", "process"): 3},
        "ghost.hits": {("users", "lru", "0.5"): 1},
    }


@pytest.mark.parametrize("tell", [True, False])
def test_keys_are_shown_where_the_cache_was_made_to_tell(tell: bool) -> None:
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, registry=Registry(), name="secrets", tell_keys=tell)
    cache.get_or_load(f"user:s3cret-{tell}", lambda: 1)
    assert (f"s3cret-{tell}".encode() in report()) is tell
