"""Every store against a plain model, whatever is put in, popped and read, and by threads that read meanwhile."""

from __future__ import annotations

import random
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from perfloop.caching.local import Entry
from perfloop.caching.stores import STORES, Bounded, make_store
from perfloop.exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Hashable

KEYS = st.integers(0, 60)


def entry(value: object = None, weight: int = 1) -> Entry:
    return Entry(value, deadline=1.0, fresh_until=1.0, kept_until=1.0, weight=weight)


class AgainstModel(RuleBasedStateMachine):
    """What is there is what was put in and not told to be gone; each is told once; bounds hold."""

    @initialize(
        policy=st.sampled_from(sorted(STORES)),
        max_entries=st.one_of(st.none(), st.integers(1, 40)),
        max_weight=st.integers(1, 100),
        by_weight=st.booleans(),
    )
    def begin(self, policy: str, max_entries: int | None, max_weight: int, by_weight: bool) -> None:
        bound = max_weight if by_weight or max_entries is None else None
        self.store: Bounded[Entry] = make_store(policy, max_entries=max_entries, max_weight=bound)
        self.model: dict[Hashable, Entry] = {}

    @rule(keys=st.lists(KEYS, min_size=1, max_size=80), weight=st.integers(0, 8), reads=st.integers(0, 3))
    def put_many(self, keys: list[int], weight: int, reads: int) -> None:
        for key in keys:
            self.put(key, weight)
            for read in self.model.values():
                read.hits += reads
                break

    @rule(key=KEYS, weight=st.integers(0, 120))
    def put(self, key: int, weight: int) -> None:
        new = entry(object(), weight)
        self.model[key] = new
        gone = self.store.put(key, new)
        for evicted, its in gone:
            assert self.model.pop(evicted) is its
        if weight > self.store.max_weight:
            assert gone == [(key, new)]

    @rule(key=KEYS)
    def pop(self, key: int) -> None:
        assert self.store.pop(key) is self.model.pop(key, None)

    @rule(key=KEYS, times=st.integers(1, 20))
    def read(self, key: int, times: int) -> None:
        found = self.store.get(key)
        assert found is self.model.get(key)
        if found is not None:
            found.hits += times

    @rule(key=KEYS)
    def lose_hits(self, key: int) -> None:
        """Two threads added at the same moment, and the store looked in between."""
        found = self.store.get(key)
        if found is not None:
            found.hits = max(found.hits - 1, 0)

    @rule()
    def clear(self) -> None:
        self.store.clear()
        self.model.clear()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        if hasattr(self, "store"):
            assert dict(self.store.items()) == self.model
            assert len(self.store) == len(self.model) <= self.store.max_entries
            assert self.store.weight == sum(each.weight for each in self.model.values()) <= self.store.max_weight


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


def ratio(policy: str, keys: list[int], **bound: int) -> float:
    store, hits = make_store(policy, **bound), 0
    for key in keys:
        found = store.get(key)
        if found is None:
            store.put(key, entry())
        else:
            found.hits += 1
            hits += 1
    return hits / len(keys)


HOT_AND_SCANS = [
    key for turn in range(200) for key in (*range(50), *range(1000 + 200 * turn, 1200 + 200 * turn), *range(50))
]
LOOP = list(range(200)) * 50
MOVING = [turn // 10 + random.Random(turn).randrange(40) for turn in range(20_000)]


@pytest.mark.parametrize(
    ("policy", "keys", "least"),
    [
        ("tinylfu", HOT_AND_SCANS, 0.30),  # of 0.333 that can be had
        ("lfu", HOT_AND_SCANS, 0.30),
        ("tinylfu", LOOP, 0.35),  # of 0.5
        ("lru", MOVING, 0.88),  # of 0.9
        ("tinylfu", MOVING, 0.70),
    ],
)
def test_a_policy_is_good_at_what_it_is_said_to_be_good_at(policy: str, keys: list[int], least: float) -> None:
    assert ratio(policy, keys, max_entries=100) >= least
    assert ratio(policy, keys, max_weight=100) >= least


def test_lru_evicts_what_was_neither_put_nor_read_for_longest() -> None:
    store = make_store("lru", max_entries=3)
    for key in "abc":
        store.put(key, entry())
    store.get("a").hits += 1  # type: ignore[union-attr]
    assert [key for key, _ in store.put("d", entry())] == ["b"]
    assert [key for key, _ in store.put("e", entry())] == ["c"]


def test_lfu_evicts_what_was_read_least_and_of_equals_the_oldest() -> None:
    store = make_store("lfu", max_entries=3)
    for key, reads in (("a", 5), ("b", 1), ("c", 1)):
        store.put(key, entry())
        store.get(key).hits += reads  # type: ignore[union-attr]
    assert [key for key, _ in store.put("d", entry())] == ["b"]
    assert [key for key, _ in store.put("e", entry())] == ["d"]


def test_tinylfu_keeps_what_is_read_from_newcomers_that_nobody_asks_for() -> None:
    store = make_store("tinylfu", max_entries=100)
    for number in range(20_000):
        for key in range(50):
            found = store.get(key)
            if found is None:
                store.put(key, entry())
            elif number % 10 == 0:
                found.hits += 1
        store.put(1000 + number, entry())
    assert sum(store.get(key) is not None for key in range(50)) >= 48


@pytest.mark.parametrize("policy", sorted(STORES))
def test_what_is_heavier_than_the_store_is_refused_and_what_it_replaces_is_gone(policy: str) -> None:
    store = make_store(policy, max_weight=10)
    store.put("a", entry(weight=5))
    heavy = entry(weight=11)
    assert store.put("a", heavy) == [("a", heavy)]
    assert store.get("a") is None
    assert (len(store), store.weight, store.refused) == (0, 0, 1)


@pytest.mark.parametrize("policy", sorted(STORES))
def test_memory_is_bounded_whatever_is_put_and_popped(policy: str) -> None:
    store = make_store(policy, max_entries=100)
    for number in range(20_000):
        store.put(number, entry())
        store.put(number % 7, entry())
        store.pop(number)
    kept = [part for part in vars(store).values() if hasattr(part, "__len__")]
    assert max(map(len, kept)) <= 2048


@pytest.mark.parametrize("policy", sorted(STORES))
def test_readers_never_fail_nor_get_another_keys_entry_while_entries_come_and_go(policy: str) -> None:
    store, errors, over = make_store(policy, max_entries=50), [], threading.Event()

    def read(seed: int) -> None:
        draw = random.Random(seed)
        try:
            while not over.is_set():
                key = draw.randrange(200)
                found = store.get(key)
                if found is not None:
                    found.hits += 1
                    assert found.value == key
        except BaseException as error:
            errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    try:
        for reader in readers:
            reader.start()
        draw, model = random.Random(7), set()
        for _ in range(5000):
            key = draw.randrange(200)
            if draw.random() < 0.2:
                assert (store.pop(key) is not None) == (key in model)
                model.discard(key)
            else:
                model.add(key)
                model.difference_update(gone for gone, _ in store.put(key, entry(key)))
    finally:
        over.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(interval)
    assert not errors
    assert {key for key, _ in store.items()} == model


class ReadAtEachLook:
    """An entry that others read whenever the store looks, and now and then two of them lose a count."""

    def __init__(self) -> None:
        self.weight, self.mark, self.rank = 1, 0, 0
        self._hits = 0

    @property
    def hits(self) -> int:
        self._hits += 3 if self._hits % 5 else -2
        return self._hits

    @hits.setter
    def hits(self, hits: int) -> None:
        self._hits = hits


@pytest.mark.parametrize("policy", sorted(STORES))
@pytest.mark.parametrize("most", [1, 2, 40, 500])
def test_entries_read_between_any_two_steps_of_the_store_do_not_hold_it_up(policy: str, most: int) -> None:
    store, model = make_store(policy, max_entries=most), {}
    for number in range(3000):
        key = number % (2 * most + 1)
        model[key] = ReadAtEachLook()
        for gone, its in store.put(key, model[key]):
            assert model.pop(gone) is its
        assert len(store) == len(model) <= most
    assert dict(store.items()) == model


@pytest.mark.parametrize("bounds", [{}, {"max_entries": 0}, {"max_weight": 0}, {"max_entries": 5, "max_weight": -1}])
def test_a_store_without_a_bound_is_refused(bounds: dict[str, int]) -> None:
    with pytest.raises(InvalidValue, match="max_"):
        make_store("tinylfu", **bounds)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(InvalidValue, match="tinylfu, lru, lfu"):
        make_store("fifo", max_entries=1)
