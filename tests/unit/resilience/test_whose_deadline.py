"""A hang that the policy's own deadline ends is a failure; one that a caller in a hurry ends says nothing."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import CircuitOpen, DeadlineExceeded
from perfloop.resilience import (
    IGNORED,
    CircuitBreaker,
    CircuitState,
    Classification,
    Deadline,
    Policy,
    Retry,
    Timeout,
    check_deadline,
    deadline,
)
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .virtual_time import run


async def hang() -> None:
    await asyncio.sleep(3600)


def outcomes(breaker: CircuitBreaker) -> dict[str, int]:
    return {result: count for result, count in breaker.counts().items() if count}


def policy(breaker: CircuitBreaker, *parts) -> Policy:
    return Policy(breaker, *parts, registry=Registry())


@pytest.mark.parametrize("timeouts", [(), (5,)], ids=["alone", "a longer timeout inside"])
def test_the_policys_own_deadline_opens_the_breaker(timeouts) -> None:
    clock = FakeClock()

    async def scene() -> None:
        inner = [Timeout(seconds, registry=Registry(), clock=clock) for seconds in timeouts]
        breaker = CircuitBreaker(3, registry=Registry(), clock=clock)
        guarded = policy(breaker, Deadline(1, registry=Registry(), clock=clock), *inner)
        for _ in range(3):
            with pytest.raises(DeadlineExceeded) as raised:
                await guarded.aexecute(hang)
            assert not raised.value.inherited
        with pytest.raises(CircuitOpen):
            await guarded.aexecute(hang)
        assert outcomes(breaker) == {"failed": 3, "not_permitted": 1}

    run(scene(), clock)


def test_a_caller_in_a_hurry_opens_nothing() -> None:
    clock = FakeClock()

    async def scene() -> None:
        breaker = CircuitBreaker(1, registry=Registry(), clock=clock)
        guarded = policy(
            breaker, Timeout(5, registry=Registry(), clock=clock), Deadline(4, registry=Registry(), clock=clock)
        )
        for _ in range(3):
            with deadline(0.5, clock=clock), pytest.raises(DeadlineExceeded) as raised:
                await guarded.aexecute(hang)
            assert raised.value.inherited
        assert outcomes(breaker) == {"ignored": 3}
        assert breaker.state is CircuitState.CLOSED

    run(scene(), clock)


def test_nor_does_an_attempt_that_began_late() -> None:
    clock = FakeClock()

    async def fails_first(seen: list[int]) -> None:
        seen.append(1)
        await asyncio.sleep(0.7)
        if len(seen) == 1:
            raise ConnectionError

    async def scene() -> None:
        breaker = CircuitBreaker(5, registry=Registry(), clock=clock)
        retry = Retry(2, idempotent=True, registry=Registry(), clock=clock, random=lambda: 0.0)
        with pytest.raises(DeadlineExceeded):
            await policy(breaker, retry, Deadline(1, registry=Registry(), clock=clock)).aexecute(fails_first, [])
        assert outcomes(breaker) == {"failed": 1, "ignored": 1}

    run(scene(), clock)


def test_cancelled_from_outside_it_says_nothing() -> None:
    clock = FakeClock()

    async def scene() -> None:
        breaker = CircuitBreaker(1, registry=Registry(), clock=clock)
        task = asyncio.ensure_future(policy(breaker, Deadline(1, registry=Registry(), clock=clock)).aexecute(hang))
        await asyncio.sleep(0.9)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert outcomes(breaker) == {"ignored": 1}

    run(scene(), clock)


def test_in_threads_it_is_the_callee_that_finds_out() -> None:
    for limits, inherited in (((Deadline(1e-9, registry=Registry()),), False), ((), True)):
        breaker = CircuitBreaker(5, registry=Registry())
        with pytest.raises(DeadlineExceeded) as raised, deadline(None if limits else 0):
            policy(breaker, *limits).execute(check_deadline)
        assert raised.value.inherited is inherited
        assert outcomes(breaker) == ({"ignored": 1} if inherited else {"failed": 1})


def test_how_it_counts() -> None:
    error = DeadlineExceeded("late")
    assert Classification().of_error(error) != IGNORED
    error.inherited = True
    assert Classification().of_error(error) == IGNORED
