from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import AsyncMisuse, InvalidValue
from perfloop.resilience import Classification, Policy, RetryBudget, Timeout
from perfloop.resilience.hedging import Hedge
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .virtual_time import run


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def made(clock: FakeClock, delay: float | None = 1, **settings) -> Hedge:
    return Hedge(delay, name="shop", clock=clock, registry=Registry(), **({"idempotent": True} | settings))


class Attempts:
    """Attempts that take so many seconds each, and give their number or raise."""

    def __init__(self, clock: FakeClock, *seconds: float, errors=()) -> None:
        self.clock, self.seconds, self.errors = clock, seconds, dict(errors)
        self.begun, self.cancelled, self.running = [], [], 0

    async def __call__(self, *_: object) -> int:
        number = len(self.begun)
        self.begun.append(self.clock.now() - 1000)
        self.running += 1
        try:
            await asyncio.sleep(self.seconds[number])
        except asyncio.CancelledError:
            self.cancelled.append(number)
            await asyncio.sleep(0.01)  # cleans up
            raise
        finally:
            self.running -= 1
        if number in self.errors:
            raise self.errors[number]
        return number


@pytest.mark.parametrize(
    ("seconds", "begun", "result", "result_at", "count"),
    [
        ([0.9], [0], 0, 0.9, "successful_without_hedge"),
        ([5, 0.5], [0, 1], 1, 1.51, "hedge_won"),
        ([1.5, 5], [0, 1], 0, 1.51, "first_won"),
        ([5, 5, 0.5], [0, 1, 2], 2, 2.51, "hedge_won"),
        ([5, 2.5, 5], [0, 1, 2], 1, 3.51, "hedge_won"),
        ([3, 9, 9], [0, 1, 2], 0, 3.01, "first_won"),
    ],
)
def test_the_first_answer_counts_and_the_others_have_ended(clock, seconds, begun, result, result_at, count) -> None:
    part, attempts = made(clock, max_hedges=2), Attempts(clock, *seconds)

    async def main() -> None:
        assert await part.aexecute(attempts) == result
        assert len(asyncio.all_tasks()) == 1

    run(main(), clock)
    assert attempts.begun == begun
    assert clock.now() - 1000 == pytest.approx(result_at)
    assert attempts.running == 0
    assert part.counts() == dict.fromkeys(Hedge.results, 0) | {count: 1}


def test_a_failure_is_not_repeated(clock) -> None:
    error = OSError("no")
    part, attempts = made(clock), Attempts(clock, 0.5, errors={0: error})
    with pytest.raises(OSError) as raised:
        run(part.aexecute(attempts), clock)
    assert raised.value is error
    assert attempts.begun == [0]
    assert part.counts()["failed_without_hedge"] == 1


def test_one_that_fails_leaves_the_others_their_chance(clock) -> None:
    part, attempts = made(clock), Attempts(clock, 1.5, 2, errors={0: OSError()})
    assert run(part.aexecute(attempts), clock) == 1
    assert clock.now() - 1000 == 3


def test_if_all_fail_the_last_error_is_raised(clock) -> None:
    last = OSError("last")
    part, attempts = made(clock), Attempts(clock, 1.5, 2, errors={0: OSError("first"), 1: last})
    with pytest.raises(OSError, match="last") as raised:
        run(part.aexecute(attempts), clock)
    assert raised.value is last
    assert part.counts()["failed_with_hedge"] == 1


def test_an_answer_that_is_an_error_is_one(clock) -> None:
    part = made(clock, classification=Classification(success=LookupError))
    attempts = Attempts(clock, 1.5, 9, errors={0: KeyError()})
    with pytest.raises(KeyError):
        run(part.aexecute(attempts), clock)
    assert attempts.cancelled == [1]


def test_a_bad_result_is_no_answer(clock) -> None:
    part = made(clock, classification=Classification(failed_result=lambda number: number == 0))
    assert run(part.aexecute(Attempts(clock, 1.5, 5)), clock) == 1
    assert run(part.aexecute(Attempts(clock, 0.5)), clock) == 0


def test_a_predicate_that_raises_is_heard_and_leaves_nothing_behind(clock) -> None:
    part = made(clock, classification=Classification(failed_result=lambda number: 1 / 0))
    attempts = Attempts(clock, 1.5, 5)
    with pytest.raises(ZeroDivisionError):
        run(part.aexecute(attempts), clock)
    assert (attempts.cancelled, attempts.running) == ([1], 0)


def test_a_spent_budget_makes_no_hedges(clock) -> None:
    part = made(clock, budget=RetryBudget(0, min_per_second=0, burst=1), max_hedges=3)
    told = []
    part.on_event(lambda event: told.append(event.event))
    attempts = Attempts(clock, 9, 9, 9)

    async def main() -> None:
        assert await part.aexecute(attempts) == 0

    run(main(), clock)
    assert attempts.begun == [0, 1]
    assert told == ["hedge", "budget_spent"]
    assert part.budget.calls == 1


def test_only_calls_that_may_be_made_twice_are(clock) -> None:
    part = made(clock, idempotent=lambda method: method == "GET")
    policy = Policy(part, Timeout(60, clock=clock, registry=Registry()), registry=Registry())
    attempts = Attempts(clock, 5, 0.1, 5, 5)

    async def main() -> None:
        assert await policy.aexecute(attempts, "GET") == 1
        assert await policy.aexecute(attempts, "POST") == 2
        assert await part(attempts)("POST") == 3

    run(main(), clock)
    assert part.counts()["successful_without_hedge"] == 2


def test_the_delay_may_be_what_most_recent_calls_do_not_exceed(clock) -> None:
    part = made(clock, None, percentile=0.9, window=100, budget=RetryBudget(1, burst=100))
    seconds = [0.1 + 0.01 * (number % 10) for number in range(10)]
    attempts = Attempts(clock, *seconds, 60, 0.01)

    async def main() -> None:
        for _ in seconds:
            assert part.gauges() == {"delay_seconds": 0}
            await part.aexecute(attempts)
        assert part.gauges() == {"delay_seconds": pytest.approx(0.19)}
        began = clock.now() - 1000
        assert await part.aexecute(attempts) == 11
        assert attempts.begun[-1] - began == pytest.approx(0.19)

    run(main(), clock)


def test_a_service_that_is_slow_for_all_is_not_hedged_more_and_more(clock) -> None:
    # What was cancelled as too slow still counts as slow: else the percentile would sink with each hedge.
    part = made(clock, None, percentile=0.9, window=50, budget=RetryBudget(1, burst=1000))
    delays = []

    async def call(*_: object) -> None:
        await asyncio.sleep(0.1 if len(delays) % 5 else 0.5)

    async def main() -> None:
        for _ in range(200):
            await part.aexecute(call)
            delays.append(part.gauges()["delay_seconds"])

    run(main(), clock)
    assert min(delays[50:]) >= 0.1
    assert part.counts()["hedge_won"] + part.counts()["first_won"] <= 200 / 5 + 10


@pytest.mark.parametrize("steps", range(12))
def test_cancelled_at_whichever_await_it_leaves_nothing_behind(steps) -> None:
    part = Hedge(1e-9, idempotent=True, max_hedges=2, registry=Registry())
    running = 0

    async def attempt() -> None:
        nonlocal running
        running += 1
        try:
            for _ in range(4):
                await asyncio.sleep(0)
        finally:
            running -= 1

    async def main() -> None:
        task = asyncio.ensure_future(part.aexecute(attempt))
        for _ in range(steps):
            await asyncio.sleep(0)
        ended = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert ended or task.cancelled()
        assert running == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_cancelled_again_while_the_losers_end_it_waits_for_them_all_the_same(clock) -> None:
    part, attempts = made(clock), Attempts(clock, 9, 1)

    async def main() -> None:
        task = asyncio.ensure_future(part.aexecute(attempts))
        await asyncio.sleep(2.005)
        assert attempts.running == 1
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert attempts.running == 0

    run(main(), clock)


def test_an_attempt_that_cancels_itself_is_a_cancellation(clock) -> None:
    attempts = Attempts(clock, 0.5, errors={0: asyncio.CancelledError()})

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await made(clock).aexecute(attempts)

    run(main(), clock)


def test_threads_are_refused(clock) -> None:
    part = made(clock)
    for call in (lambda: part.execute(len, "word"), lambda: part(len), lambda: Policy(part).execute(len, "word")):
        with pytest.raises(AsyncMisuse, match="thread cannot be") as raised:
            call()
        assert "aexecute" in raised.value.hint


@pytest.mark.parametrize(
    "settings",
    [{"delay": 0}, {"percentile": 0}, {"percentile": 1.5}, {"window": 0}, {"max_hedges": 0}, {"idempotent": "yes"}],
)
def test_settings_are_checked(settings) -> None:
    with pytest.raises(InvalidValue):
        Hedge(**({"idempotent": True} | settings))


def test_whether_calls_may_be_made_twice_has_to_be_said() -> None:
    with pytest.raises(TypeError, match="idempotent"):
        Hedge(1)


def test_it_says_what_it_is() -> None:
    described = Hedge(idempotent=print, name="shop", registry=Registry()).describe()
    assert described.settings == {
        "delay": "p95 of 200",
        "max_hedges": 1,
        "budget": "0.2 of calls + 1/s, at most 10",
        "idempotent": "by arguments",
    }
    assert Hedge(0.5, idempotent=True, registry=Registry()).describe().settings["delay"] == 0.5
