"""Who waits for another's look-up costs nothing until it has landed, and is woken wherever he waits."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import Any

import pytest

from perfloop.caching import EntryOptions, MultiLevelCache
from perfloop.caching.limits import LoadLimit
from perfloop.exceptions import LoadTimedOut

_WAITERS = 200


async def test_thousands_who_wait_are_woken_by_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = MultiLevelCache(int, max_loads=1)
    begun, may_end = asyncio.Event(), asyncio.Event()
    timers: list[Any] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def counted(when: float, *rest: Any, **more: Any) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *rest, **more)

    monkeypatch.setattr(loop, "call_at", counted)

    async def load() -> int:
        begun.set()
        await may_end.wait()
        return 1

    one_key = [asyncio.create_task(cache.aget_or_load("k", load)) for _ in range(_WAITERS)]
    for_a_turn = [asyncio.create_task(cache.aget_or_load(f"k{number}", load)) for number in range(_WAITERS)]
    await begun.wait()
    while cache._core.limit.waiting < _WAITERS:
        await asyncio.sleep(0)
    may_end.set()
    assert await asyncio.gather(*one_key, *for_a_turn) == [1] * 2 * _WAITERS
    assert timers == []


def test_a_waiter_whose_loop_has_gone_is_not_missed(caplog: pytest.LogCaptureFixture) -> None:
    cache = MultiLevelCache(int)
    begun, may_end = threading.Event(), threading.Event()

    def load() -> int:
        begun.set()
        may_end.wait()
        return 1

    leader = threading.Thread(target=cache.get_or_load, args=("k", load))
    leader.start()
    begun.wait()
    loop = asyncio.new_event_loop()
    waiter = loop.create_task(cache.aget_or_load("k", lambda: 2))
    loop.run_until_complete(asyncio.sleep(0))
    flight = cache._core.flights._flights["k"]
    while flight.waiters < 2:
        loop.run_until_complete(asyncio.sleep(0))
    waiter.cancel()
    loop.run_until_complete(asyncio.gather(waiter, return_exceptions=True))
    loop.close()
    with caplog.at_level(logging.WARNING):
        may_end.set()
        leader.join()
    assert caplog.records == []
    assert cache.get("k") == 1


async def test_a_loader_that_never_returns_keeps_nobody_who_has_gone() -> None:
    cache = MultiLevelCache(int, options=EntryOptions(hard_timeout=0.001))
    may_end = asyncio.Event()

    async def load() -> int:
        await may_end.wait()
        return 1

    for _ in range(20):
        with pytest.raises(LoadTimedOut):
            await cache.aget_or_load("k", load)
    [flight] = cache._core.flights._flights.values()
    assert not flight.future._waiting
    assert len(flight.future._done_callbacks) == 1  # type: ignore[attr-defined]
    may_end.set()
    while cache._core.tasks:
        await asyncio.sleep(0)


def test_who_waits_for_a_turn_and_is_cancelled_costs_the_same_wherever_he_stands() -> None:
    def seconds(order: slice) -> float:
        limit = LoadLimit(1)
        assert not list(limit.enter())
        waiting = [limit.enter() for _ in range(4000)]
        for program in waiting:
            next(program)
        began = time.process_time()
        for program in waiting[order]:
            program.close()
        took = time.process_time() - began
        assert (limit.running, limit.waiting) == (1, 0)
        return took

    first_come, last_come = slice(None), slice(None, None, -1)
    assert seconds(last_come) < 20 * seconds(first_come)
