from __future__ import annotations

import asyncio

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience.backoff import ConstantBackoff
from perfloop.resilience.budget import RetryBudget
from perfloop.resilience.retry import Retry
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .naive.retry_budget import NaiveBudget
from .naive.retry_budget import retried as naively_retried
from .virtual_time import run


def test_it_is_earned_by_calls_and_by_time_and_holds_no_more_than_its_burst() -> None:
    budget = RetryBudget(0.2, min_per_second=2, burst=5)
    assert [budget.try_spend(0) for _ in range(6)] == [True] * 5 + [False]
    budget.calls += 10
    assert [budget.try_spend(0) for _ in range(3)] == [True, True, False]
    assert [budget.try_spend(0.5) for _ in range(2)] == [True, False]
    budget.calls += 1000
    assert budget.held(100) == 5


def test_a_clock_that_goes_back_earns_nothing_twice() -> None:
    budget = RetryBudget(0, min_per_second=1, burst=10)
    while budget.try_spend(100):
        pass
    for _ in range(5):
        assert budget.held(90) == 0
        assert budget.held(100) == 0
    assert budget.held(101) == 1


@pytest.mark.parametrize("settings", [{"ratio": -0.1}, {"min_per_second": -1}, {"burst": 0}, {"ratio": float("inf")}])
def test_settings_are_checked(settings) -> None:
    with pytest.raises(InvalidValue):
        RetryBudget(**settings)


async def fail_together(call, calls: int = 100) -> None:
    await asyncio.gather(*(call() for _ in range(calls)), return_exceptions=True)


class TestTrap13:
    """A retry budget must count retries in back-off."""

    def attempts(self, call_of, clock) -> int:
        made = 0

        async def fails() -> None:
            nonlocal made
            made += 1
            await asyncio.sleep(0.01)
            raise OSError

        run(fail_together(call_of(fails)), clock)
        return made

    def test_a_burst_of_failures_does_not_double_the_load(self) -> None:
        clock = FakeClock()
        budget = RetryBudget(0.2, min_per_second=0, burst=10)
        part = Retry(2, idempotent=True, budget=budget, backoff=ConstantBackoff(0.1), clock=clock, registry=Registry())
        assert self.attempts(part.awrap, clock) <= 100 + 10 + 0.2 * 100
        assert part.counts()["failed_with_retry"] + part.counts()["failed_without_retry"] == 100

    def test_the_naive_one_lets_every_call_retry(self) -> None:
        budget = NaiveBudget(0.2, 10)
        made = self.attempts(lambda function: lambda: naively_retried(function, budget, asyncio.sleep), FakeClock())
        assert made == 200
