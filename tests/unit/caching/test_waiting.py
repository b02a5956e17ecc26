"""Who waits for another's look-up costs nothing until it has landed, and is woken wherever he waits."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

from perfloop.caching import MultiLevelCache

if TYPE_CHECKING:
    import pytest

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
