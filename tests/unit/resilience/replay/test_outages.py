"""An outage is a stretch of which every beginning and every end has its share of failures."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience.replay import find_outages, given_outage

from .recorded import recorded

LOOSE = {"least_failures": 1, "least_seconds": 1e-9, "gap_seconds": 0.0}


def spans(letters: str, **settings) -> list[tuple[int, int]]:
    """First and last call of each outage."""
    found = find_outages(recorded(letters), **{**LOOSE, **settings})
    return [(round(each.started - 1000), round(each.ended - 1000.1)) for each in found]


@pytest.mark.parametrize(
    ("letters", "expected"),
    [
        ("......", []),
        ("..FFF..", [(2, 4)]),
        ("..F.FF..", [(2, 5)]),
        ("..FF.....FF..", [(2, 3), (9, 10)]),
        ("F.F.F.F", [(0, 6)]),
        ("FF...FF", [(0, 1), (5, 6)]),
        ("FFF..FF", [(0, 6)]),
        ("-F-F--", [(1, 3)]),
        ("RFRF", [(1, 3)]),
        ("", []),
    ],
)
def test_outages_are_the_heaviest_stretches(letters, expected) -> None:
    assert spans(letters) == expected


def test_few_failures_and_short_stretches_are_none() -> None:
    assert spans("..FFF.....FFFFFF..", least_failures=4) == [(10, 15)]
    assert spans("..FFF.....FFFFFF..", least_seconds=4.0) == [(10, 15)]


def test_what_lies_close_together_is_one() -> None:
    assert spans("FF....FF........FF", gap_seconds=5.0) == [(0, 7), (16, 17)]


def test_a_higher_share_wants_more_failures() -> None:
    assert spans("FF.FF.FF", failure_share=0.9) == [(0, 1), (3, 4), (6, 7)]


def test_calls_and_failures_are_counted() -> None:
    [found] = find_outages(recorded("..F.FF.."), **LOOSE)
    assert (found.calls, found.failures, found.given) == (4, 3, False)
    given = given_outage(recorded("..F.FF.."), 1000.0, 1004.5)
    assert (given.calls, given.failures, given.given) == (5, 2, True)


def test_slow_calls_make_an_outage_where_they_count() -> None:
    calls = recorded("......", took=[0.1, 0.1, 3.0, 3.0, 3.0, 0.1])
    assert find_outages(calls, **LOOSE) == []
    [found] = find_outages(calls, slow_seconds=1.0, **LOOSE)
    assert found.failures == 3


@pytest.mark.parametrize(
    "settings", [{"failure_share": 0}, {"least_failures": 0}, {"least_seconds": 0}, {"gap_seconds": -1}]
)
def test_bad_settings_are_refused(settings) -> None:
    with pytest.raises(InvalidValue):
        find_outages(recorded("F"), **settings)
