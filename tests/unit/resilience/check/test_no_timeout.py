from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import CallTimedOut
from perfloop.resilience import (
    Bulkhead,
    CircuitBreaker,
    Deadline,
    KeyedCircuitBreaker,
    Policy,
    Retry,
    ThreadPoolBulkhead,
    Timeout,
    deadline,
)
from perfloop.testing import FakeClock

from ..gates import Around
from ..virtual_time import run
from .rules import found

RULE = "no-timeout"


def test_a_policy_that_nothing_ends() -> None:
    policy = Policy(CircuitBreaker(), Bulkhead(3), name="pay")
    (finding,) = found(RULE, policy)
    assert finding.where == policy.made_at
    assert "'pay'" in finding.what
    assert finding.fix == "add Timeout(seconds), several times what the slowest percent of the calls takes"
    (finding,) = found(RULE, Policy(Retry(3, idempotent=True), CircuitBreaker()))
    assert finding.fix.endswith(", and Deadline(seconds) round the retry")


def test_one_that_something_ends() -> None:
    inner = Policy(Bulkhead(3))
    fine = [
        Policy(Bulkhead(3), Timeout(1)),
        Policy(Bulkhead(3), Deadline(1)),
        Policy(ThreadPoolBulkhead(3, call_timeout=1)),
        Policy(CircuitBreaker(), Timeout(1), calls=[inner]),
        Policy(type("Fallback", (Around,), {"kind": "fallback"})()),
    ]
    assert found(RULE, *fine) == []
    assert len(found(RULE, *fine, Policy(CircuitBreaker(), calls=[inner]))) == 2


@pytest.mark.parametrize("breaker", [CircuitBreaker, lambda: KeyedCircuitBreaker(key=lambda host: host)])
def test_a_breaker_hears_nothing_of_a_hang_that_only_a_deadline_ends(breaker) -> None:
    policy = Policy(Deadline(5), breaker(), Bulkhead(3), name="pay")
    (finding,) = found(RULE, policy)
    assert finding.what.startswith("nothing inside the breaker of policy 'pay' ends an attempt that hangs")
    assert finding.fix.startswith("add Timeout(seconds), shorter than the deadline of 5 s")
    assert (finding.where, finding.numbers) == (policy.made_at, {"deadline": 5})


@pytest.mark.parametrize("limit", [Timeout(1), Deadline(1)])
def test_nor_of_one_that_whoever_enters_its_policy_ends(limit) -> None:
    inner = Policy(CircuitBreaker(), name="inner")
    (finding,) = found(RULE, Policy(limit, calls=[inner], name="outer"))
    assert "'inner'" in finding.what
    assert "shorter than what callers wait" in finding.fix
    assert "'inner'" in found(RULE, Policy(limit, Policy(CircuitBreaker(), name="inner")))[0].what


def test_what_a_breaker_hears_of() -> None:
    whole, breaker = Deadline(5), CircuitBreaker()
    fine = [
        Policy(whole, breaker, Timeout(1)),
        Policy(whole, breaker, ThreadPoolBulkhead(3, call_timeout=1)),
        Policy(whole, breaker, Policy(Deadline(1))),
        Policy(whole, breaker, calls=[Policy(Timeout(1))]),
        Policy(whole, Bulkhead(3)),
        Policy(whole, Retry(3, idempotent=True), breaker),  # timeouts-that-cannot-fit finds it
    ]
    assert found(RULE, *fine) == []
    assert len(found("timeouts-that-cannot-fit", *fine)) == 1


@pytest.mark.parametrize(("seconds", "failed"), [(None, 0), (1, 1)])
def test_so_it_is(seconds: float | None, failed: int) -> None:
    clock = FakeClock()
    breaker = CircuitBreaker(5, clock=clock)
    timeout = [] if seconds is None else [Timeout(seconds, clock=clock)]
    policy = Policy(Deadline(60, clock=clock), breaker, *timeout, clock=clock)

    async def hangs() -> None:
        with deadline(3, clock=clock):
            await policy.aexecute(asyncio.sleep, 100)

    with pytest.raises(CallTimedOut):
        run(hangs(), clock)
    assert breaker.counts()["failed"] == failed


def test_threads_without_a_time_and_policies_that_call_each_other() -> None:
    assert len(found(RULE, Policy(ThreadPoolBulkhead(3)))) == 1
    first = Policy(CircuitBreaker(), name="first")
    second = Policy(CircuitBreaker(), name="second", calls=[first])
    first.calls = (second,)
    assert len(found(RULE, first)) == 2
