"""Ghosts: what another size or policy would find, told from a sample of keys."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from perfloop.caching import MultiLevelCache
from perfloop.caching.local import Entry
from perfloop.caching.stores import STORES, Bounded, Ghosts, make_store

ENTRIES = 4096
_DRAW = random.Random(3)
# Few keys are asked for much more often than the rest.
# Numbers, whose hashes are the same in every run.
KEYS = [int(100_000 * _DRAW.random() ** 4) for _ in range(60_000)]


def play(store: Bounded[Any], find: Any, keys: list[int]) -> float:
    hits = 0
    for key in keys:
        entry = find(key)
        if entry is None:
            store.put(key, Entry(None, 1.0, 1.0, 1.0))
        else:
            entry.hits += 1
            hits += 1
    return hits / len(keys)


@pytest.mark.parametrize("policy", sorted(STORES))
def test_it_estimates_what_other_sizes_and_policies_would_find(policy: str) -> None:
    store = make_store(policy, max_entries=ENTRIES)
    ghosts = Ghosts(policy, store, STORES)
    play(store, ghosts.watching(store.get), KEYS)
    estimates = ghosts.estimates()
    assert 1000 < estimates[0].accesses < len(KEYS) / 2
    assert {(each.policy, each.size) for each in estimates} == {
        *((policy, size) for size in (0.5, 1.0, 2.0, 4.0)),
        *((other, 1.0) for other in STORES if other != policy),
    }
    for each in estimates:
        other = make_store(each.policy, max_entries=int(ENTRIES * each.size))
        assert each.hit_ratio == pytest.approx(play(other, other.get, KEYS), abs=0.04)


def test_a_store_that_is_bounded_by_weight_alone_has_ghosts_too() -> None:
    store = make_store("tinylfu", max_weight=ENTRIES)
    ghosts = Ghosts("tinylfu", store, STORES)
    play(store, ghosts.watching(store.get), KEYS[:5000])
    assert ghosts.estimates()[0].accesses == 5000


def test_before_the_first_access_nothing_is_known() -> None:
    ghosts = Ghosts("lru", make_store("lru", max_entries=10), STORES)
    assert {(each.hit_ratio, each.accesses) for each in ghosts.estimates()} == {(0.0, 0)}


def test_readers_in_threads_lose_nothing_and_memory_is_bounded() -> None:
    store = make_store("lru", max_entries=100)
    ghosts = Ghosts("lru", store, STORES)
    find = ghosts.watching(store.get)
    threads = [threading.Thread(target=lambda: [find(number % 300) for number in range(5000)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ghosts._play()
    assert not ghosts._waiting
    assert ghosts.estimates()[0].accesses <= 15_000


def test_a_cache_tells_what_other_sizes_would_find() -> None:
    cache: MultiLevelCache[int, int] = MultiLevelCache(int, key=int, max_entries=100, policy="lru", ghosts=True)
    for _ in range(20):
        for key in range(150):  # a loop that fits into twice the size
            cache.get_or_load(key, lambda: 1)
    found = {each.size: each.hit_ratio for each in cache.ghost_estimates() if each.policy == "lru"}
    assert found == {0.5: 0.0, 1.0: 0.0, 2.0: 0.95, 4.0: 0.95}
    assert MultiLevelCache(int).ghost_estimates() == []


def test_old_accesses_count_less() -> None:
    store = make_store("lru", max_entries=100)
    ghosts = Ghosts("lru", store, STORES)
    find = ghosts.watching(store.get)
    for _ in range(2000):
        for key in range(50):
            find(key)
    assert ghosts.estimates()[0].accesses < 70_000
