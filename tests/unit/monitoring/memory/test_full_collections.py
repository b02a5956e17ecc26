from __future__ import annotations

import gc

from hypothesis import given
from hypothesis import strategies as st

from perfloop.monitoring.memory.full_collections import CollectionBudget, FullCollections


def test_the_first_one_may_be_made_at_once() -> None:
    assert CollectionBudget(0.001).allows(0.0)


def test_one_that_took_long_is_not_repeated_soon() -> None:
    budget = CollectionBudget(0.001)
    budget.spent(10.0, 0.06)
    assert not budget.allows(69.9)
    assert budget.allows(70.1)


def test_without_a_budget_none_is_ever_made() -> None:
    budget = CollectionBudget(0)
    assert not budget.allows(1e9)
    budget.spent(0, 0)
    assert not budget.allows(1e9)


@given(st.floats(0.001, 0.5), st.lists(st.tuples(st.floats(0.001, 0.5), st.floats(0, 20)), min_size=1, max_size=40))
def test_the_share_is_kept(share: float, collections: list[tuple[float, float]]) -> None:
    """Of all time but the last pause, whatever the collections take."""
    budget, now, spent = CollectionBudget(share), 0.0, []
    for seconds, idle in collections:
        now += idle
        if budget.allows(now):
            budget.spent(now, seconds)
            spent.append((now, seconds))
    assert sum(seconds for _, seconds in spent[:-1]) <= share * (spent[-1][0] - spent[0][0]) * 1.000001 + 1e-9


def collections() -> int:
    return int(gc.get_stats()[-1]["collections"])


def test_it_collects_when_it_may() -> None:
    full = FullCollections(0.5)
    before = collections()
    assert full.happened(0.0)
    assert collections() == before + 1


def test_it_does_not_collect_beyond_the_budget() -> None:
    full = FullCollections(1e-9)
    assert full.happened(0.0)
    gc.disable()  # so that the interpreter makes none of its own meanwhile
    try:
        before = collections()
        assert full.happened(0.1)  # switched off: what is there counts
        assert collections() == before
    finally:
        gc.enable()
    assert not full.happened(0.1) or collections() > before


def test_one_of_the_interpreters_own_is_used() -> None:
    full = FullCollections(0)
    gc.collect()
    assert full.happened(0.0)
