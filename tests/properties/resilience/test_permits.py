"""Bulkheads against a plain model, and with callers cancelled at every await."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from perfloop.coordination import Permits, Waiter, WaitState
from perfloop.resilience import Bulkhead, RateLimiter
from perfloop.telemetry import Registry


class PermitsMachine(RuleBasedStateMachine):
    """Callers come, wait, leave, are late and end in any order; the limit changes."""

    running: Bundle[object] = Bundle("running")
    joined: Bundle[Waiter] = Bundle("joined")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.permits = Permits(2, 3)
        self.out: list[object] = []  # of calls that run
        self.line: list[Waiter] = []  # those that wait, next one first
        self.granted: set[Waiter] = set()
        self.woken: list[Waiter] = []

    def model_join(self, waiter: Waiter) -> None:
        self.line.append(waiter)
        self.line.sort(key=lambda each: -each.priority)

    def settle_model(self, changed: list[Waiter]) -> None:
        """Whoever has been granted was first in line, or all before it were late."""
        for waiter in changed:
            if waiter.state is WaitState.GRANTED:
                before = self.line[: self.line.index(waiter)]
                assert all(each.state is not WaitState.WAITING for each in before)
                assert waiter.deadline > self.now
                self.granted.add(waiter)
            elif waiter.state is WaitState.EXPIRED:
                assert waiter.deadline <= self.now
        self.line = [each for each in self.line if each.state is WaitState.WAITING]

    @rule(target=running)
    def come(self) -> object:
        token = self.permits.try_take()
        assert token is None or not self.line
        if token is None:
            return None
        self.out.append(token)
        return token

    @rule(target=joined, priority=st.integers(-1, 1), patience=st.sampled_from([0.5, 1.0, 100.0]))
    def wait(self, priority: int, patience: float) -> Waiter:
        waiter = Waiter(lambda: None, priority=priority, deadline=self.now + patience)
        waiting = len(self.permits.queue)
        self.model_join(waiter)
        woken = self.permits.join(waiter, self.now)
        if waiter.state is WaitState.DISPLACED:
            assert waiting == self.permits.max_queue
            assert all(each.priority >= priority for each in self.line if each.state is WaitState.WAITING)
        self.settle_model([*woken, waiter])
        return waiter

    @rule(waiter=consumes(joined))
    def leave(self, waiter: Waiter) -> None:
        self.granted.discard(waiter)
        self.settle_model(self.permits.leave(waiter, self.now))

    @rule(target=running, waiter=consumes(joined))
    def begin(self, waiter: Waiter) -> object:
        if waiter not in self.granted:
            self.settle_model(self.permits.leave(waiter, self.now))
            return None
        self.granted.discard(waiter)
        self.out.append(waiter.token)
        return waiter.token

    @rule(token=consumes(running))
    def end(self, token: object) -> None:
        if token is not None:
            self.out.pop()
            if self.permits.give_back(token):
                self.settle_model(self.permits.settle(self.now))

    @rule(seconds=st.sampled_from([0.5, 1.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(limit=st.integers(1, 4))
    def resize(self, limit: int) -> None:
        self.settle_model(self.permits.resize(limit, self.now))

    @precondition(lambda self: not self.permits._debt)
    @invariant()
    def no_more_than_the_limit(self) -> None:
        assert len(self.out) + len(self.granted) <= self.permits.limit

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.permits.used == len(self.out) + len(self.granted)
        assert list(self.permits.queue) == self.line
        assert not (self.line and self.permits.free)
        assert len(self.line) <= self.permits.max_queue


TestPermits = PermitsMachine.TestCase

CALLERS = 3
ACTIONS = [(action, caller) for caller in range(CALLERS) for action in ("cancel", "finish")]


async def bulkhead_run(order: tuple[tuple[str, int], ...], turns: int) -> None:
    """Three calls behind a bulkhead of one, two of which wait; each is cancelled and ended in this order."""
    bulkhead = Bulkhead(1, 60.0, max_queue=2, registry=Registry())
    inside, most = 0, 0
    ends = [asyncio.Event() for _ in range(CALLERS)]

    async def work(caller: int) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            await ends[caller].wait()
        finally:
            inside -= 1

    tasks = []
    for caller in range(CALLERS):
        tasks.append(asyncio.create_task(bulkhead.aexecute(work, caller)))
        for _ in range(turns):
            await asyncio.sleep(0)
    for action, caller in order:
        if action == "cancel":
            tasks[caller].cancel()
        else:
            ends[caller].set()
        for _ in range(turns):
            await asyncio.sleep(0)
    await asyncio.wait(tasks)
    assert most <= 1
    assert bulkhead.gauges()["queue_depth"] == 0
    assert bulkhead.try_acquire() is not None  # its permit is back
    assert bulkhead.try_acquire() is None  # and no other one


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_three_calls_in_every_order_of_cancellations_and_ends_lose_no_permit(turns: int) -> None:
    async def main() -> None:
        for order in itertools.permutations(ACTIONS):
            await bulkhead_run(order, turns)

    asyncio.run(main())


async def limiter_run(order: tuple[int, ...], turns: int) -> None:
    """One call admitted and three in line, cancelled in this order while the first of them sleeps."""
    limiter = RateLimiter(1, 3_600.0, max_wait=7_200.0 * CALLERS, registry=Registry())
    await limiter.aacquire()
    tasks: list[asyncio.Task[Any]] = []
    for _ in range(CALLERS):
        tasks.append(asyncio.create_task(limiter.aacquire()))
        for _ in range(turns):
            await asyncio.sleep(0)
    for caller in order:
        tasks[caller].cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert (limiter._lines, limiter.gauges()["waiting_calls"]) == ({}, 0)
    # The one that was admitted is all that was counted.
    assert 3_599_000_000 < limiter._local.wait("", limiter._ticks()) <= 3_600_000_000


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4])
def test_three_waiting_for_a_rate_in_every_order_of_cancellations_take_no_call_along(turns: int) -> None:
    async def main() -> None:
        for number in range(CALLERS + 1):
            for order in itertools.permutations(range(CALLERS), number):
                await limiter_run(order, turns)

    asyncio.run(main())
