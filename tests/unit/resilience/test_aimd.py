"""AIMD rises by one a round trip while it is used, and falls once for all calls that were let in under one limit."""

from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience.aimd import Aimd

from .queueing import simulate


def test_it_rises_by_one_a_round_trip():
    limit = Aimd(target=1)
    for _ in range(21):
        limit.update(0, 0.1, 20, False)
    assert limit.limit == 21


def test_it_does_not_rise_while_not_half_of_it_is_used():
    limit = Aimd(target=1)
    for _ in range(1000):
        limit.update(0, 0.1, 9, False)
    assert limit.limit == 20


@pytest.mark.parametrize(("rtt", "dropped"), [(1.5, False), (0.5, True)])
def test_it_falls_once_for_calls_under_one_limit(rtt, dropped):
    limit = Aimd(target=1)
    for number in range(20):
        limit.update(10 + number / 1000, rtt, 20, dropped)
    assert limit.limit == 18
    limit.update(12, rtt, 18, dropped)
    assert limit.limit == 16


def test_a_failure_quicker_than_calls_take_is_left_out():
    limit = Aimd(target=1)
    for _ in range(100):
        limit.update(0, 0.5, 1, False)
    limit.update(1, 0.001, 20, True)
    assert limit.limit == 20


def test_mild_overload_for_an_hour_does_not_move_it_away():
    run = simulate(Aimd(target=0.2), seconds=3600, rate=lambda now: 84, slots=4, service=lambda draw, now: 0.05)
    assert 8 <= min(run.limits_from(600)) <= max(run.limits_from(600)) <= 2 * 16


def test_nonsense_is_left_out():
    limit = Aimd(target=1)
    limit.update(0, math.nan, 20, True)
    limit.update(0, -1, 20, True)
    assert limit.limit == 20


@pytest.mark.parametrize(
    "settings", [{"target": 0}, {"target": -1}, {"backoff": 0}, {"backoff": 1.5}, {"minimum": 0}, {"initial": 2000}]
)
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        Aimd(**{"target": 1, **settings})
