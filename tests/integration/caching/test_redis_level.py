"""The level in a real Redis keeps the rules, in threads and in event loops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from perfloop.caching.effects import run_async
from perfloop.caching.levels.redis import RedisLevel
from perfloop.testing import LevelConformance

if TYPE_CHECKING:
    from ...servers.redis import Redis


@pytest.mark.parametrize("check", LevelConformance.names)
def test_the_rules(redis_server: Redis, check: str) -> None:
    first = RedisLevel(redis_server.url)
    suite = LevelConformance(lambda name: RedisLevel(namespace=name, transport=first.transport))
    suite.check(check)

    async def in_a_loop() -> None:
        await run_async(suite.program(check))
        await first.aclose()

    asyncio.run(in_a_loop())
