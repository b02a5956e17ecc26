"""A client holds back calls while the service rejects most of them, and not otherwise."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from perfloop.exceptions import CallThrottled, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS
from perfloop.resilience.throttle import ClientThrottle, rejection_probability
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .naive.throttle import CountingAnswers


def a_throttle(clock: FakeClock, *, draw=lambda: 0.5, **settings) -> ClientThrottle:
    return ClientThrottle(clock=clock, random=draw, registry=Registry(), **settings)


def attempt(throttle: ClientThrottle, outcome) -> bool:
    """One call that ends at once; whether it was let through."""
    try:
        token = throttle.try_acquire()
    except CallThrottled:
        return False
    throttle.release(token, outcome, 0.01)
    return True


@pytest.mark.parametrize(
    ("requests", "accepts", "expected"),
    [(0, 0, 0), (10, 10, 0), (10, 5, 0), (10, 4, 2 / 11), (99, 0, 0.99), (1, 0, 0.5), (3, 2, 0)],
)
def test_the_books_formula(requests, accepts, expected):
    assert rejection_probability(requests, accepts, 2) == pytest.approx(expected)


class TestTrap12RequestsCountBeforeTheCall:
    """A service that hangs answers nothing."""

    def test_calls_to_a_service_that_hangs_are_held_back(self):
        clock, draw = FakeClock(), random.Random(1).random
        throttle = a_throttle(clock, draw=draw)
        let_through = 0
        for _ in range(1000):
            clock.advance(0.1)
            try:
                throttle.try_acquire()
                let_through += 1
            except CallThrottled:
                pass
        assert let_through <= 250
        assert throttle.gauges()["rejection_probability"] == pytest.approx(0.9)

    def test_the_naive_one_sends_on(self):
        throttle, draw = CountingAnswers(), random.Random(1).random
        assert not any(throttle.rejects(draw()) for _ in range(1000))  # none is ever answered


def test_a_burst_from_nothing_is_let_through():
    throttle = a_throttle(FakeClock(), draw=lambda: 0.0)
    tokens = [throttle.try_acquire() for _ in range(500)]
    for token in tokens:
        throttle.release(token, SUCCESS, 1)
    assert throttle.counts() == {"successful": 500, "failed": 0, "ignored": 0, "not_permitted": 0}


def test_while_half_the_calls_are_accepted_all_are_let_through():
    throttle = a_throttle(FakeClock(), draw=lambda: 0.0)
    assert all(attempt(throttle, outcome) for outcome in [SUCCESS, FAILURE] * 500)


def test_a_service_that_rejects_most_gets_about_twice_what_it_accepts():
    clock, chance = FakeClock(), random.Random(2)
    throttle = a_throttle(clock, draw=chance.random)
    asked = 0
    for second in range(400):
        accepts = 10  # a second, of 100 that want
        for _ in range(100):
            clock.advance(0.01)
            if attempt(throttle, SUCCESS if accepts else FAILURE):
                accepts -= accepts > 0
                asked += second >= 200
    assert 18 <= asked / 200 <= 24


def test_what_was_longer_ago_than_the_window_is_forgotten():
    clock = FakeClock()
    throttle = a_throttle(clock, window=120, draw=lambda: 0.0)
    for _ in range(100):
        attempt(throttle, FAILURE)
    assert throttle.gauges()["rejection_probability"] == pytest.approx(0.9)
    clock.advance(121)
    assert throttle.gauges()["rejection_probability"] == 0
    assert attempt(throttle, SUCCESS)


def test_ignored_calls_say_nothing():
    throttle = a_throttle(FakeClock())
    for _ in range(100):
        attempt(throttle, IGNORED)
    assert throttle.gauges()["rejection_probability"] == 0


@pytest.mark.parametrize("late", [4, 100, 119, 500])
def test_answers_come_late(late):
    clock = FakeClock()
    throttle = a_throttle(clock, draw=lambda: 0.999)
    tokens = [throttle.try_acquire() for _ in range(10)]
    clock.advance(late)
    for token in tokens:
        throttle.release(token, SUCCESS, late)
    assert throttle.gauges()["rejection_probability"] == 0


def test_held_back_calls_count_as_requests_and_one_in_ten_is_let_through():
    draws = iter([0.0] * 12 + [0.95] * 12)
    throttle = a_throttle(FakeClock(), draw=lambda: next(draws))
    results = [attempt(throttle, FAILURE) for _ in range(24)]
    assert results[0] is True
    assert results[1:12] == [False] * 11
    assert results[12:] == [True] * 12


def test_a_clock_that_goes_back_or_far_ahead():
    clock = FakeClock()
    throttle = a_throttle(clock, draw=lambda: 0.999)
    token = throttle.try_acquire()
    clock._now -= 500
    assert attempt(throttle, SUCCESS)
    throttle.release(token, SUCCESS, -1)
    clock.advance(1e9)
    assert attempt(throttle, SUCCESS)
    assert throttle.gauges()["rejection_probability"] == 0


def test_interrupted_calls_are_not_held_against_the_service():
    throttle = a_throttle(FakeClock())

    def interrupted():
        raise KeyboardInterrupt

    async def cancelled():
        raise asyncio.CancelledError

    for _ in range(50):
        with pytest.raises(KeyboardInterrupt):
            throttle.execute(interrupted)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(throttle.aexecute(cancelled))
    assert throttle.counts()["ignored"] == 100
    assert throttle.gauges()["rejection_probability"] == 0


def test_it_works_on_in_a_fork():
    throttle = a_throttle(FakeClock())
    with throttle._lock:  # as if another thread were inside
        child = os.fork()
        if child == 0:
            os._exit(0 if attempt(throttle, SUCCESS) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"multiplier": 0.9},
        {"multiplier": True},
        {"window": 0},
        {"window": -1},
        {"buckets": 1},
        {"buckets": 2.5},
        {"max_rejection": 0},
        {"max_rejection": 1.1},
    ],
)
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        ClientThrottle(registry=Registry(), **settings)
