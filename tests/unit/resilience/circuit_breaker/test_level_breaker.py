"""A circuit breaker before a cache's level."""

from __future__ import annotations

import asyncio

import pytest

from perfloop import MultiLevelCache
from perfloop.caching import MemoryLevel
from perfloop.exceptions import LevelFailed
from perfloop.resilience import CircuitBreaker, CircuitState, LevelBreaker
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

CLOSED, OPEN, HALF_OPEN = list(CircuitState)[:3]


class DownLevel(MemoryLevel):
    def __init__(self) -> None:
        super().__init__()
        self.is_down, self.asked = True, 0

    def read(self, keys):
        self.asked += 1
        if self.is_down:
            raise LevelFailed("down")
        return (yield from super().read(keys))


@pytest.mark.parametrize("aio", [False, True])
def test_a_level_that_fails_is_left_alone_until_a_probe_succeeds(aio) -> None:
    level, clock, registry = DownLevel(), FakeClock(), Registry()
    breaker = CircuitBreaker(2, 10.0, clock=clock, registry=registry)
    cache = MultiLevelCache(int, levels=[level], breaker=lambda _: LevelBreaker(breaker), registry=registry)

    def get(key: str) -> None:
        if aio:
            asyncio.run(cache.aget(key))
        else:
            cache.get(key)

    for number in range(10):
        get(str(number))
    assert (level.asked, breaker.state) == (2, OPEN)
    clock.advance(10)
    level.is_down = False
    get("a")
    assert (level.asked, breaker.state) == (3, CLOSED)
    assert breaker.counts()["failed"] == 2
    cache.close()


def test_who_asked_is_who_is_answered() -> None:
    clock = FakeClock()
    breaker = CircuitBreaker(1, 10.0, clock=clock, registry=Registry())
    level = LevelBreaker(breaker)

    async def ask(began: asyncio.Event, end: asyncio.Event) -> None:
        assert level.allows()
        began.set()
        await end.wait()
        level.succeeded()

    async def scene() -> None:
        began, end = asyncio.Event(), asyncio.Event()
        early = asyncio.ensure_future(ask(began, end))
        await began.wait()
        level.failed()  # by who did not ask
        assert breaker.state is OPEN
        clock.advance(10)
        assert level.allows()
        assert not level.allows()
        end.set()
        await early  # began before it opened
        assert breaker.state is HALF_OPEN
        level.succeeded()
        assert breaker.state is CLOSED

    asyncio.run(scene())
    breaker.force_open()
    level.succeeded()  # what nobody let in says nothing
    assert breaker.counts()["successful"] == 2
