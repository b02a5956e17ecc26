"""A policy judges by one classification: its gates, its retry, its hedge, and the policies inside it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import (
    FAILURE,
    IGNORED,
    SUCCESS,
    Classification,
    ConstantBackoff,
    Hedge,
    KeyedCircuitBreaker,
    Policy,
    Retry,
)
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .gates import Door
from .virtual_time import run

TOLD = Classification(ignored=ValueError, success=KeyError, failed_result=lambda result: result == 503)


class Script:
    """A function that ends one way after the other, and in the last way ever after."""

    def __init__(self, *ends: object) -> None:
        self.ends, self.calls = ends, 0

    def __call__(self, *_: object) -> object:
        end = self.ends[min(self.calls, len(self.ends) - 1)]
        self.calls += 1
        if isinstance(end, Exception):
            raise end
        return end

    async def awaited(self, *args: object) -> object:
        return self(*args)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["execute", "decorator", "aexecute"])
def calls(request, clock):
    """Calls a part, and gives how often it called the function."""

    def times(part, *ends: object, expects: type[Exception] | None = None) -> int:
        script = Script(*ends)
        with contextlib.nullcontext() if expects is None else pytest.raises(expects):
            if request.param == "aexecute":
                run(part.aexecute(script.awaited, "host"), clock)
            elif request.param == "execute":
                part.execute(script, "host")
            else:
                part(lambda host: script(host))("host")
        return script.calls

    return times


def retry(clock: FakeClock, **settings) -> Retry:
    settings = {"idempotent": True, "backoff": ConstantBackoff(0), "clock": clock, "registry": Registry()} | settings
    return Retry(3, **settings)


def door(clock: FakeClock, **settings) -> Door:
    return Door(clock=clock, registry=Registry(), **settings)


@pytest.mark.parametrize("given_by", ["policy", "gate"])
def test_a_retry_repeats_what_the_policy_calls_a_failure(calls, clock, given_by) -> None:
    told = {"classification": TOLD}
    gate = door(clock, **(told if given_by == "gate" else {}))
    policy = Policy(retry(clock), gate, **(told if given_by == "policy" else {}))
    assert calls(policy, ValueError(), expects=ValueError) == 1
    assert calls(policy, KeyError(), expects=KeyError) == 1
    assert calls(policy, OSError(), expects=OSError) == 3
    assert calls(policy, 503, OSError(), 200) == 3
    assert [outcome for outcome, _ in gate.ended] == [IGNORED, SUCCESS] + [FAILURE] * 5 + [SUCCESS]


def test_one_that_was_given_its_own_keeps_it(calls, clock) -> None:
    gate = door(clock)
    policy = Policy(retry(clock, classification=Classification(failure=ValueError)), gate, classification=TOLD)
    assert calls(policy, ValueError(), expects=ValueError) == 3
    assert calls(policy, OSError(), expects=OSError) == 1
    assert [outcome for outcome, _ in gate.ended] == [IGNORED] * 3 + [FAILURE]


def test_a_retry_may_be_shared_by_policies_that_judge_differently(calls, clock) -> None:
    shared = retry(clock)
    strict, lenient = Policy(shared), Policy(shared, classification=TOLD)
    for _ in range(2):
        assert calls(strict, ValueError(), expects=ValueError) == 3
        assert calls(lenient, ValueError(), expects=ValueError) == 1
        assert calls(shared, ValueError(), expects=ValueError) == 3
        assert calls(strict.judging(TOLD), ValueError(), expects=ValueError) == 1
    assert shared.counts()["failed_with_retry"] == shared.counts()["failed_without_retry"] == 4


def test_a_policy_inside_another_takes_its_classification_unless_it_has_one(calls, clock) -> None:
    gate = door(clock)
    inner = Policy(retry(clock), gate, clock=clock)
    assert calls(Policy(inner, classification=TOLD, clock=clock), ValueError(), expects=ValueError) == 1
    assert calls(inner, ValueError(), expects=ValueError) == 3
    assert [outcome for outcome, _ in gate.ended] == [IGNORED] + [FAILURE] * 3
    other = Policy(inner.judging(TOLD), classification=Classification(failure=ValueError), clock=clock)
    assert calls(other, ValueError(), expects=ValueError) == 1
    assert calls(other, OSError(), expects=OSError) == 3


def test_so_does_a_breaker_a_key(calls, clock) -> None:
    breaker = KeyedCircuitBreaker(1, key=lambda *_: "host", clock=clock, registry=Registry())
    policy = Policy(breaker, classification=TOLD)
    assert calls(policy, ValueError(), expects=ValueError) == 1
    assert calls(policy, 503) == 1
    assert calls(policy, 200, expects=CircuitOpen) == 0


@pytest.mark.parametrize(
    ("first", "seconds"),
    [(ValueError(), 1.5), (KeyError(), 1.5), (OSError(), 2.5), (503, 2.5)],
)
def test_a_hedge_takes_what_the_policy_calls_no_failure_for_an_answer(clock, first, seconds) -> None:
    hedge = Hedge(1, idempotent=True, clock=clock, registry=Registry())
    ends = iter([(1.5, first), (1.5, 200)])

    async def attempt() -> object:
        waits, end = next(ends)
        await asyncio.sleep(waits)
        if isinstance(end, Exception):
            raise end
        return end

    async def main() -> object:
        try:
            return await Policy(hedge, classification=TOLD).aexecute(attempt)
        except Exception as error:
            return error

    began = clock.now()
    given = run(main(), clock)
    assert given is first if seconds == 1.5 else given == 200
    assert clock.now() - began == seconds


@pytest.mark.parametrize("where", ["failure", "ignored", "success", "failed_result"])
@pytest.mark.parametrize("of_its_own", [False, True])
def test_what_a_predicate_raises_is_heard_at_once_and_nobodys_failure(calls, clock, where, of_its_own) -> None:
    def broken(_: object) -> bool:
        raise RuntimeError("predicate")

    gate, outer = door(clock, name="inner"), door(clock, name="outer")
    own = {"classification": Classification()} if of_its_own else {}
    policy = Policy(retry(clock, **own), gate, classification=Classification(**{where: broken}))
    around = Policy(outer, retry(clock), policy, order="as given", classification=Classification(), clock=clock)
    assert calls(around, 200 if where == "failed_result" else OSError(), expects=RuntimeError) == 1
    assert gate.ended == outer.ended == [(IGNORED, 0.0)]
