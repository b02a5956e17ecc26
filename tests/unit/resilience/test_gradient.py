"""The gradient finds what a service can do, keeps it for hours, and follows the service when it changes."""

from __future__ import annotations

import math
import statistics

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience.gradient import Gradient

from .naive.adaptive_limit import AveragingGradient
from .queueing import simulate

SECONDS = 0.05


def steady(draw, now):
    return SECONDS


def varying(draw, now):
    return draw.expovariate(1 / SECONDS)


def load(share, slots):
    return lambda now: share * slots / SECONDS


class TestTrap14MildOverload:
    """For an hour, a little more arrives than the service can do."""

    def test_the_limit_stays_where_it_is_used(self):
        run = simulate(Gradient(), seconds=3600, rate=load(1.05, 4), slots=4, service=steady)
        limits = run.limits_from(600)
        assert max(limits) <= 6 * 4
        assert statistics.fmean(limits[-5000:]) <= 1.2 * statistics.fmean(limits[:5000])

    def test_the_naive_one_creeps_up_to_its_greatest(self):
        run = simulate(AveragingGradient(), seconds=3600, rate=load(1.05, 4), slots=4, service=steady)
        assert max(run.limits_from(600)) > 200


@pytest.mark.parametrize("service", [steady, varying])
@pytest.mark.parametrize("slots", [1, 8, 32])
@pytest.mark.parametrize("share", [1.3, 3.0])
def test_overloaded_it_lets_in_what_the_service_can_do_and_little_more(service, slots, share):
    run = simulate(Gradient(), seconds=240, rate=load(share, slots), slots=slots, service=service)
    done = sum(at >= 60 for at, _ in run.ended) / 180
    assert done >= 0.93 * slots / SECONDS
    assert statistics.median(run.limits_from(60)) <= max(10, 3 * slots)


def test_a_few_slow_calls_among_many_quick_ones_are_not_taken_for_a_queue():
    """Quick ones end first: to look at those that have ended would be to see no other."""

    def service(draw, now):
        return 0.2 if draw.random() < 0.1 else 0.005

    capacity = 8 / 0.0245
    run = simulate(Gradient(), seconds=240, rate=lambda now: 1.3 * capacity, slots=8, service=service)
    assert sum(at >= 60 for at, _ in run.ended) / 180 >= 0.85 * capacity


def test_little_load_moves_nothing():
    run = simulate(Gradient(), seconds=300, rate=load(0.3, 8), slots=8, service=steady)
    assert set(run.limits_from(0)) == {20}
    assert run.rejected == 0


def test_it_grows_with_the_load_where_nothing_queues():
    gradient = Gradient()
    simulate(gradient, seconds=120, rate=lambda now: 2000, slots=1000, service=steady)
    assert 100 <= gradient.limit <= 500


@pytest.mark.parametrize("factor", [2, 10])
def test_a_service_that_becomes_slower_is_not_taken_for_a_queue(factor):
    slots = 20

    def service(draw, now):
        return SECONDS * (factor if now > 100 else 1)

    gradient = Gradient()
    run = simulate(gradient, seconds=600, rate=load(1.2, slots), slots=slots, service=service)
    done = sum(at >= 400 for at, _ in run.ended) / 200
    assert done >= 0.9 * slots / SECONDS / factor
    assert gradient.base == pytest.approx(SECONDS * factor, rel=0.3)


def test_timeouts_lower_it():
    gradient = Gradient(initial=100)
    for number in range(10_000):
        gradient.update(number / 100, 1.0, 100, True)
    assert gradient.limit == 4


def test_a_failure_quicker_than_calls_take_is_left_out():
    gradient = Gradient()
    for number in range(100):
        gradient.update(number / 100, 0.1, 1, False)
    base = gradient.base
    for number in range(1000):
        gradient.update(1 + number / 100, 0.001, 20, True)
    assert (gradient.base, gradient.limit) == (base, 20)


def test_clock_jumps_and_nonsense_spoil_one_window_at_most():
    gradient = Gradient()
    now = 0.0
    for number in range(5000):
        now += 3600 if number % 1000 == 999 else 0.01
        rtt = (3600.0, 0.05, -1.0, math.nan)[0 if number % 1000 == 999 else 1 + (number % 40 == 0) * (1 + number % 2)]
        gradient.update(now, rtt, 20, False)
        assert 4 <= gradient.limit <= 1000
    assert gradient.limit >= 15


def test_all_calls_within_a_coarse_clocks_tick():
    gradient = Gradient()
    for number in range(1000):
        gradient.update(number / 10, 0.0, 20, False)
    assert gradient.limit >= 20


@pytest.mark.parametrize(
    "settings",
    [
        {"initial": 0},
        {"minimum": 0},
        {"minimum": -1},
        {"maximum": 10},
        {"minimum": 30},
        {"initial": True},
        {"initial": 2.5},
        {"tolerance": 0.9},
        {"tolerance": math.nan},
        {"smoothing": 0},
        {"smoothing": 1.1},
        {"window": 0},
        {"samples": 0},
        {"measure_every": -1},
        {"measure_every": math.inf},
    ],
)
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        Gradient(**settings)
