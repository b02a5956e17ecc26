"""Times of named parts."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.loadtest.scenario.groups import MOST_GROUPS, Group, Groups


def test_times_and_failures() -> None:
    groups = Groups()
    for number in range(2000):
        groups.add("a", number / 1000)
    groups.add_failed("a")
    (result,) = groups.results()
    assert (result.name, result.count, result.failed) == ("a", 2000, 1)
    assert result.time_ms.p50 == pytest.approx(999, rel=0.01)
    assert result.time_ms.max == pytest.approx(1999, rel=0.01)


def test_a_group_that_raises_has_failed_and_one_cut_off_is_neither() -> None:
    groups = Groups()
    with Group(groups, "a"):
        pass
    with pytest.raises(KeyError), Group(groups, "a"):
        raise KeyError
    with pytest.raises(asyncio.CancelledError), Group(groups, "a"):
        raise asyncio.CancelledError
    (result,) = groups.results()
    assert (result.count, result.failed) == (1, 1)


def test_there_are_not_more_than_so_many() -> None:
    groups = Groups()
    for number in range(MOST_GROUPS + 50):
        groups.add(f"group {number}", 0.1)
    results = groups.results()
    assert len(results) == MOST_GROUPS + 1
    assert (results[-1].name, results[-1].count) == ("(further groups)", 50)
