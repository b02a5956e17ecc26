"""Caches of several processes over time: what is of late, what remains of a process that ended."""

from __future__ import annotations

from perfloop.monitoring.live.caches import CacheWatch
from perfloop.monitoring.observations import CacheSample
from perfloop.telemetry.caches import CacheAbout, CacheReport


def sample(pid: int, hits: float, misses: float, entries: float = 10) -> CacheSample:
    counts: list[tuple[str, list[str], float]] = [
        ("hits", ["users", "process"], hits),
        ("misses", ["users", "process"], misses),
        ("entries", ["users"], entries),
    ]
    return CacheSample(pid=pid, at=0.0, report=CacheReport(counts, [CacheAbout(name="users", levels=["process"])]))


def test_a_service_without_caches_shows_none() -> None:
    watch = CacheWatch(60)
    watch.add([], 1.0)
    assert watch.caches(2.0) == []


def test_what_is_of_late_and_what_is_of_all() -> None:
    watch = CacheWatch(60)
    watch.add([sample(1, 0, 100)], 10.0)
    (first,) = watch.caches(10.0)
    assert (first.late.lookups, first.whole.lookups, first.seconds) == (100, 100, 1.0)
    for second in range(1, 120):
        watch.add([sample(1, 10 * second, 100)], 10.0 + second)
    (last,) = watch.caches(129.0)
    assert last.seconds == 60.0
    assert (last.late.lookups, last.late.hit_ratio) == (600, 1.0)
    assert (last.whole.lookups, last.whole.levels[0].misses) == (1290, 100)


def test_workers_are_one_cache_and_one_that_ends_leaves_its_counts() -> None:
    watch = CacheWatch(60)
    watch.add([sample(1, 30, 10), sample(2, 50, 10)], 1.0)
    (both,) = watch.caches(1.0)
    assert (both.whole.lookups, both.whole.hit_ratio, both.whole.entries) == (100, 0.8, 20)
    watch.forget(2, 2.0)
    watch.forget(3, 2.0)
    (one,) = watch.caches(2.0)
    assert (one.whole.lookups, one.whole.entries) == (100, 10)
    watch.add([sample(4, 100, 0)], 3.0)
    (again,) = watch.caches(3.0)
    assert (again.whole.lookups, again.whole.entries) == (200, 20)


def test_of_a_registry_counting_begins_with_the_first_look() -> None:
    watch = CacheWatch(60)
    for second, hits in enumerate((1000, 1010)):
        watch.set({"hits": {("users", "process"): hits}, "entries": {("users",): 1}}, [], float(second))
    (users,) = watch.caches(1.0)
    assert (users.late.lookups, users.whole.lookups) == (10, 1010)
