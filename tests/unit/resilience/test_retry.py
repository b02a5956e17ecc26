from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest

from perfloop.exceptions import AsyncMisuse, CallTimedOut, CircuitOpen, DeadlineExceeded, InvalidValue
from perfloop.resilience import Classification, Policy
from perfloop.resilience.backoff import ConstantBackoff, ExponentialBackoff
from perfloop.resilience.budget import RetryBudget
from perfloop.resilience.deadline import deadline
from perfloop.resilience.retry import Retry
from perfloop.resilience.timeout import Deadline, Timeout
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .naive.retry_of_all import retried as naively_retried
from .virtual_time import run

ALL = {"successful_without_retry": 0, "successful_with_retry": 0, "failed_without_retry": 0, "failed_with_retry": 0}


class Script:
    """A function that does one thing after the other: raises what is an error, returns what is none."""

    def __init__(self, clock: FakeClock, *steps) -> None:
        self.clock, self.steps, self.called_at = clock, list(steps), []

    def __call__(self, *args, **kwargs):
        self.called_at.append(self.clock.now() - 1000)
        step = self.steps.pop(0)
        if isinstance(step, (type, BaseException)):
            raise step
        return step

    async def awaited(self, *args, **kwargs):
        await asyncio.sleep(0)
        return self(*args, **kwargs)


def retry(clock: FakeClock, attempts: int = 3, **settings) -> Retry:
    settings = {"idempotent": True, "backoff": ConstantBackoff(1, jittered=False), "name": "shop"} | settings
    return Retry(attempts, clock=clock, registry=Registry(), sleep=clock.advance, **settings)


def call(part, script: Script, way: str, *args, **kwargs):
    if way == "execute":
        return part.execute(script, *args, **kwargs)
    if way == "decorator":
        return part(lambda *args, **kwargs: script(*args, **kwargs))(*args, **kwargs)
    return run(part.aexecute(script.awaited, *args, **kwargs), script.clock)


@pytest.fixture(params=["execute", "decorator", "aexecute"])
def way(request) -> str:
    return request.param


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_success_is_given_at_once(clock, way) -> None:
    part, script = retry(clock), Script(clock, "result")
    assert call(part, script, way) == "result"
    assert part.counts() == ALL | {"successful_without_retry": 1}


def test_failures_are_repeated_until_a_success(clock, way) -> None:
    part, script = retry(clock), Script(clock, OSError, ValueError, "result")
    assert call(part, script, way) == "result"
    assert script.called_at == [0, 1, 2]
    assert part.counts() == ALL | {"successful_with_retry": 1}
    assert part.gauges()["waiting"] == 0


def test_the_last_error_is_raised_itself_and_tells_what_was_tried(clock, way) -> None:
    last = OSError("last")
    part, script = retry(clock), Script(clock, OSError("first"), OSError("second"), last)
    with pytest.raises(OSError, match="last") as raised:
        call(part, script, way)
    assert raised.value is last
    assert last.__notes__ == ["retry 'shop': gave up after attempt 3: max_attempts is 3"]
    assert last.__context__ is None
    assert part.counts() == ALL | {"failed_with_retry": 1}


def test_an_error_that_is_raised_again_and_again_is_told_once(clock) -> None:
    shared = OSError()
    part = retry(clock, 2)
    for _ in range(3):
        with pytest.raises(OSError):
            part.execute(Script(clock, shared, shared))
    assert len(shared.__notes__) == 1


def test_nothing_is_repeated_that_is_not_said_to_be_idempotent(clock, way) -> None:
    part, script = retry(clock, idempotent=False), Script(clock, OSError("once"))
    with pytest.raises(OSError, match="once") as raised:
        call(part, script, way)
    assert raised.value.__notes__ == ["retry 'shop': gave up after attempt 1: the call is not said to be idempotent"]
    assert part.counts() == ALL | {"failed_without_retry": 1}


@pytest.mark.parametrize("in_policy", [False, True])
def test_the_arguments_may_tell_what_is_idempotent(clock, way, in_policy) -> None:
    part = retry(clock, idempotent=lambda method, **_: method == "GET")
    if in_policy:
        part = Policy(part, Timeout(60, clock=clock, registry=Registry()), registry=Registry())
    assert call(part, Script(clock, OSError, "got"), way, "GET", timeout=1) == "got"
    with pytest.raises(OSError):
        call(part, Script(clock, OSError), way, "POST", timeout=1)


@pytest.mark.parametrize(
    "error", [CircuitOpen("open"), DeadlineExceeded("over"), KeyError("a caller's mistake"), AsyncMisuse("sync")]
)
def test_what_says_nothing_of_the_service_is_not_repeated(clock, way, error) -> None:
    part = retry(clock, classification=Classification(ignored=KeyError))
    with pytest.raises(type(error)) as raised:
        call(part, Script(clock, error), way)
    assert not hasattr(raised.value, "__notes__")
    assert part.counts() == ALL | {"failed_without_retry": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_is_no_error_passes_at_once(clock, error) -> None:
    part = retry(clock)
    with pytest.raises(error):
        part.execute(Script(clock, error))
    with pytest.raises(error):
        part.execute(Script(clock, OSError, error))
    assert part.counts() == ALL


def test_bad_results_are_repeated_and_the_last_is_given(clock, way) -> None:
    part = retry(clock, 2, classification=Classification(failed_result=lambda status: status == 503))
    assert call(part, Script(clock, 503, 200), way) == 200
    assert call(part, Script(clock, 503, 503), way) == 503
    assert call(part, Script(clock, OSError, 503), way) == 503
    assert call(part, Script(clock, 200), way) == 200
    assert part.counts() == {
        "successful_without_retry": 1,
        "successful_with_retry": 1,
        "failed_without_retry": 0,
        "failed_with_retry": 2,
    }


@pytest.mark.parametrize("where", ["failure", "failed_result", "idempotent"])
def test_a_predicate_that_raises_is_heard(clock, way, where) -> None:
    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    settings = (
        {"idempotent": broken} if where == "idempotent" else {"classification": Classification(**{where: broken})}
    )
    part = retry(clock, **settings)
    script = Script(clock, "result" if where == "failed_result" else OSError)
    with pytest.raises(ZeroDivisionError):
        call(part, script, way)
    assert part.counts() == ALL


class TestRetryAfter:
    def answers(self, clock, seconds: str, **settings) -> Script:
        script = Script(clock, SimpleNamespace(headers={"Retry-After": seconds}), "better")
        self.part = retry(clock, classification=Classification(failed_result=lambda it: it != "better"), **settings)
        return script

    def test_the_wait_is_added_to_what_the_service_asks_for(self, clock, way) -> None:
        script = self.answers(clock, "7")
        assert call(self.part, script, way) == "better"
        assert script.called_at == [0, 8]

    @pytest.mark.parametrize(("seconds", "most"), [("31", 30), ("3", 2)])
    def test_a_service_that_asks_for_too_long_a_wait_is_left_alone(self, clock, way, seconds, most) -> None:
        script = self.answers(clock, seconds, max_retry_after=most)
        assert call(self.part, script, way) != "better"

    def test_a_date_is_measured_by_the_wall_clock(self, clock) -> None:
        script = self.answers(clock, "Thu, 01 Jan 1970 00:00:09 GMT", wall=lambda: 5.0)
        assert self.part.execute(script) == "better"
        assert script.called_at == [0, 5]

    def test_errors_say_it_too(self, clock) -> None:
        error = OSError()
        error.response = SimpleNamespace(headers={"retry-after": "2"})
        script = Script(clock, error, "better")
        assert retry(clock).execute(script) == "better"
        assert script.called_at == [0, 3]


class TestDeadline:
    def test_no_wait_that_would_outlast_it(self, clock, way) -> None:
        part, script = retry(clock, 9), Script(clock, *[OSError] * 9)
        with deadline(2.5, clock=clock), pytest.raises(OSError) as raised:
            call(part, script, way)
        assert script.called_at == [0, 1, 2]
        assert "the deadline comes in 0.5 s, the next attempt would in 1 s" in raised.value.__notes__[0]

    def test_a_deadline_part_round_it_is_one(self, clock) -> None:
        whole, script = Deadline(1.5, clock=clock, registry=Registry()), Script(clock, *[OSError] * 9)
        with pytest.raises(OSError):
            run(Policy(whole, retry(clock, 9), registry=Registry()).aexecute(script.awaited), clock)
        assert script.called_at == [0, 1]

    def test_a_timeout_of_one_attempt_is_none(self, clock) -> None:
        part = Policy(retry(clock, 3), Timeout(5, clock=clock, registry=Registry()), registry=Registry())
        with pytest.raises(CallTimedOut):
            run(part.aexecute(asyncio.sleep, 60), clock)
        assert clock.now() - 1000 == 5 + 1 + 5 + 1 + 5


def test_a_spent_budget_ends_it(clock, way) -> None:
    shared = RetryBudget(0, min_per_second=0, burst=3)
    first, second = retry(clock, 3, budget=shared), retry(clock, 3, budget=shared)
    with pytest.raises(OSError):
        call(first, Script(clock, *[OSError] * 3), way)
    with pytest.raises(OSError) as raised:
        call(second, Script(clock, *[OSError] * 2), way)
    assert "the retry budget is spent (0 of calls + 0/s, at most 3)" in raised.value.__notes__[0]
    assert shared.calls == 2


def test_calls_between_two_attempts_are_a_gauge(clock) -> None:
    part = retry(clock)

    async def main() -> None:
        calls = [asyncio.ensure_future(part.aexecute(Script(clock, OSError, "ok").awaited)) for _ in range(3)]
        await asyncio.sleep(0.5)
        assert part.gauges()["waiting"] == 3
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert part.gauges()["waiting"] == 0
        assert calls[0].cancelled()

    run(main(), clock)
    assert part.counts() == ALL | {"successful_with_retry": 2}


def test_events_tell_of_each_wait_and_of_the_end(clock) -> None:
    part, told = retry(clock, 2), []
    part.on_event(lambda event: told.append((event.event, dict(event.attributes))))
    with pytest.raises(OSError):
        part.execute(Script(clock, ValueError, OSError))
    assert told == [
        ("retry", {"attempts": 1, "wait": 1, "error": "ValueError"}),
        ("gave_up", {"attempts": 2, "reason": "max_attempts is 2"}),
    ]


def test_what_failed_is_let_go_at_once(clock) -> None:
    alive = weakref.WeakSet()

    class Failed(OSError):
        def __init__(self) -> None:
            alive.add(self)

    part = retry(clock)
    gc.collect()
    gc.disable()
    try:
        assert part.execute(Script(clock, Failed, Failed, "result")) == "result"
        assert not alive
        try:
            part.execute(Script(clock, Failed, Failed, Failed))
        except Failed:
            pass
        assert not alive
    finally:
        gc.enable()


class TestTrap3:
    """A cancellation is no failure: what was cancelled is not done again."""

    def attempts(self, call_of) -> int:
        made = 0

        async def waits() -> None:
            nonlocal made
            made += 1
            await asyncio.sleep(60)

        async def main() -> None:
            task = asyncio.ensure_future(call_of(waits))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.wait([task], timeout=1)
            task.cancel()

        clock = FakeClock()
        run(main(), clock)
        return made

    def test_a_cancelled_call_ends(self, clock) -> None:
        assert self.attempts(retry(clock).aexecute) == 1

    def test_the_naive_one_begins_again(self) -> None:
        assert self.attempts(naively_retried) > 1

    @pytest.mark.parametrize("steps", range(8))
    def test_it_ends_at_whichever_await_it_is_cancelled(self, clock, steps) -> None:
        part = retry(clock, backoff=ConstantBackoff(0))
        script = Script(clock, OSError, OSError, OSError)

        async def main() -> None:
            task = asyncio.ensure_future(part.aexecute(script.awaited))
            for _ in range(steps):
                await asyncio.sleep(0)
            made = len(script.called_at)
            ended = task.done()
            task.cancel()
            await asyncio.wait([task])
            if not ended:
                assert task.cancelled()
                assert len(script.called_at) == made
            assert part.gauges()["waiting"] == 0
            task.cancelled() or task.exception()

        run(main(), clock)


def test_threads_count_every_call(clock) -> None:
    part = Retry(2, idempotent=True, budget=RetryBudget(1, burst=1000), sleep=lambda _: None, registry=Registry())

    def work() -> None:
        for _ in range(50):
            part.execute(Script(clock, OSError, "ok"))
            part.execute(Script(clock, "ok"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert part.counts() == ALL | {"successful_with_retry": 200, "successful_without_retry": 200}


def test_no_success_of_many_threads_is_lost(clock) -> None:
    part = Retry(2, idempotent=True, registry=Registry())
    call = part(lambda: None)

    def work() -> None:
        for _ in range(5000):
            call()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert part.counts() == ALL | {"successful_without_retry": 40_000}
    assert part.budget.calls == 40_000


def test_a_coroutine_is_refused_and_not_repeated(clock) -> None:
    async def function() -> None:
        raise AssertionError

    with pytest.raises(AsyncMisuse, match="function"):
        retry(clock)(lambda: function())()


@pytest.mark.parametrize(
    "settings",
    [{"max_attempts": 0}, {"max_attempts": 1.5}, {"max_retry_after": -1}, {"idempotent": "yes"}],
)
def test_settings_are_checked(settings) -> None:
    with pytest.raises(InvalidValue):
        Retry(**settings)


def test_it_says_what_it_is() -> None:
    part = Retry(2, name="shop", backoff=ExponentialBackoff(0.5), registry=Registry())
    described = part.describe()
    assert (described.kind, described.name) == ("retry", "shop")
    assert described.settings == {
        "max_attempts": 2,
        "backoff": ExponentialBackoff(0.5),
        "budget": "0.2 of calls + 1/s, at most 10",
        "idempotent": False,
        "max_retry_after": 30,
    }


def test_a_predicate_that_raises_of_a_later_result_repeats_nothing(clock, way) -> None:
    def judge(result: object) -> bool:
        if result == "odd":
            raise ZeroDivisionError
        return True

    part = retry(clock, 4, classification=Classification(failed_result=judge))
    script = Script(clock, "bad", "odd", "bad", "bad")
    with pytest.raises(ZeroDivisionError):
        call(part, script, way)
    assert len(script.called_at) == 2
