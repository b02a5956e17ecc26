"""Whatever comes when, and whoever leaves: collapsed and hedged calls give what they must and leave nothing behind."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from perfloop.resilience import Collapse, Hedge, RetryBudget
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock
from tests.unit.resilience.virtual_time import run

CALLERS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.none() | st.integers(0, 20)), min_size=1, max_size=6
)


@given(CALLERS, st.integers(0, 6), st.integers(0, 3), st.booleans())
def test_collapsed_calls(callers, takes, cleans_up_for, fails) -> None:
    clock = FakeClock()
    part = Collapse(lambda key: key, clock=clock, registry=Registry())
    running: dict[str, int] = {"a": 0, "b": 0}
    began, ended = [], []

    async def work(key: str) -> str:
        running[key] += 1
        began.append(key)
        try:
            await asyncio.sleep(takes)
            if fails:
                raise OSError(key)
            return key * 2
        finally:
            running[key] -= 1
            ended.append(key)
            await asyncio.sleep(cleans_up_for)

    async def caller(key: str, at: int) -> tuple[object, float]:
        await asyncio.sleep(at)
        try:
            return await part.aexecute(work, key), clock.now()
        except OSError as error:
            return str(error) * 2, clock.now()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = []
        for key, at, leaves in callers:
            tasks.append(asyncio.ensure_future(caller(key, at)))
            if leaves is not None:
                loop.call_later(leaves + 0.5, tasks[-1].cancel)
        await asyncio.wait(tasks)
        for (key, at, leaves), task in zip(callers, tasks, strict=True):
            latest = at + takes + cleans_up_for
            if task.cancelled():
                assert leaves is not None
            else:
                result, when = task.result()
                assert result == key * 2
                assert when - 1000 <= latest
            assert leaves is not None or not task.cancelled()
        assert len(asyncio.all_tasks()) == 1

    run(main(), clock)
    assert began == [] or sorted(began) == sorted(ended)
    assert running == {"a": 0, "b": 0}
    assert part.gauges() == {"in_flight": 0}
    assert part.counts()["executed"] >= len(began)
    assert sum(part.counts().values()) <= len(callers)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=4, max_size=4),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(1, 3),
    st.none() | st.integers(0, 20),
)
def test_hedged_calls(attempts, delay, max_hedges, affordable, leaves) -> None:
    clock = FakeClock()
    budget = RetryBudget(0, min_per_second=0, burst=affordable)
    part = Hedge(delay, idempotent=True, max_hedges=max_hedges, budget=budget, clock=clock, registry=Registry())
    running, began = 0, []

    async def attempt() -> int:
        nonlocal running
        number = len(began)
        began.append(clock.now() - 1000)
        seconds, fails = attempts[number]
        running += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            running -= 1
        if fails:
            raise OSError(number)
        return number

    async def main() -> asyncio.Task[int]:
        task = asyncio.ensure_future(part.aexecute(attempt))
        if leaves is not None:
            asyncio.get_running_loop().call_later(leaves + 0.5, task.cancel)
        await asyncio.wait([task])
        assert len(asyncio.all_tasks()) == 1
        return task

    task = run(main(), clock)
    assert running == 0
    assert began == [number * delay for number in range(len(began))]
    assert len(began) <= 1 + min(max_hedges, affordable)
    ends = [(at + attempts[number][0], number) for number, at in enumerate(began)]
    good = [(end, number) for end, number in ends if not attempts[number][1]]
    if task.cancelled():
        assert leaves is not None
    elif task.exception() is not None:
        assert not good
    else:
        first = min(end for end, _ in good)
        assert task.result() in [number for end, number in good if end == first]
        assert clock.now() - 1000 >= first
