from __future__ import annotations

import math
import sys

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience import (
    Bulkhead,
    CircuitBreaker,
    Hedge,
    KeyedCircuitBreaker,
    LoadShedder,
    Part,
    Policy,
    Retry,
    ThreadPoolBulkhead,
    Timeout,
    priority,
    settings,
)

CASES = [
    (settings.positive, (), [1, 0.5], [0, -1, math.nan, math.inf, 10**400, True, "1", None]),
    (settings.at_least, (0,), [0, 0.5], [-1, math.nan, math.inf, 10**400, False, "1", None]),
    (settings.count, (), [1, 7], [0, -1, 1.0, 10**400, True, "1", None]),
    (settings.share, (), [0.5, 1], [0, 1.1, -0.5, math.nan, True, "1", None]),
]


@pytest.mark.parametrize(("check", "least", "fine", "wrong"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_what_is_out_of_range_is_refused_by_its_name(check, least, fine, wrong) -> None:
    for value in fine:
        assert check(value, *least, "reset_timeout") == value
    for value in wrong:
        with pytest.raises(InvalidValue, match="reset_timeout"):
            check(value, *least, "reset_timeout")


def part_of(kind: type[Part], **given) -> Part:
    needed = {Hedge: {"idempotent": True}, KeyedCircuitBreaker: {"key": str}, Bulkhead: {"max_concurrency": 1}}
    return kind(**needed.get(kind, {}), **given)


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (CircuitBreaker, "classification"),
        (CircuitBreaker, "window"),
        (KeyedCircuitBreaker, "classification"),
        (Retry, "classification"),
        (Retry, "backoff"),
        (Retry, "budget"),
        (Hedge, "classification"),
        (Hedge, "budget"),
        (LoadShedder, "priority"),
        (LoadShedder, "shares"),
    ],
)
@pytest.mark.parametrize("value", [0, "1", []])
def test_what_is_of_another_kind_is_refused_where_it_is_given(kind, where, value) -> None:
    with pytest.raises(InvalidValue, match=where):
        part_of(kind, **{where: value})
    if where == "classification":
        with pytest.raises(InvalidValue, match=where):
            Policy(Timeout(1), classification=value)


@pytest.mark.parametrize("kind", [Bulkhead, ThreadPoolBulkhead])
def test_more_permits_than_memory_has_room_for_are_refused(kind) -> None:
    with pytest.raises(InvalidValue, match=r"1000000 or less.*max_concurrency"):
        kind(sys.maxsize)


@pytest.mark.parametrize("value", ["high", None, 0.5])
def test_a_priority_that_cannot_be_compared_is_refused(value) -> None:
    with pytest.raises(InvalidValue, match="priority"), priority(value):
        pass


@pytest.mark.parametrize("value", [None, 3, staticmethod(len), classmethod(len)])
def test_what_is_no_function_is_not_decorated(value) -> None:
    with pytest.raises(InvalidValue, match="Expected a function"):
        Timeout(1)(value)
    with pytest.raises(InvalidValue, match="Expected a function of an event"):
        Timeout(1).on_event(3)
