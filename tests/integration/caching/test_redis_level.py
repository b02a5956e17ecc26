"""The level in a real Redis keeps the rules, in threads and in event loops."""

from __future__ import annotations

import asyncio
import functools
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from perfloop.caching import MemoryLevel
from perfloop.caching.effects import run, run_async
from perfloop.caching.levels.redis import RedisLevel, RedisOptions
from perfloop.caching.levels.redis_transport import RedisTransport
from perfloop.testing import LevelConformance

from .untimed import answers, operations

if TYPE_CHECKING:
    from ...servers.redis import Redis

PATIENT = RedisOptions(connect_timeout=20.0, answer_timeout=20.0)


@pytest.mark.parametrize("check", LevelConformance.names)
def test_the_rules(redis_server: Redis, check: str) -> None:
    first = RedisLevel(redis_server.url, options=PATIENT)
    suite = LevelConformance(lambda name: RedisLevel(namespace=name, transport=first.transport))
    suite.check(check)

    async def in_a_loop() -> None:
        await run_async(suite.program(check))
        await first.aclose()

    asyncio.run(in_a_loop())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations)
def test_it_answers_as_the_level_in_memory(redis_server: Redis, sequence: list[Any]) -> None:
    level = RedisLevel(namespace=secrets.token_hex(8), transport=transport_to(redis_server.url))
    assert answers(level, sequence, run) == answers(MemoryLevel(), sequence, run)


@functools.cache
def transport_to(url: str) -> RedisTransport:
    return RedisTransport(url, PATIENT)
