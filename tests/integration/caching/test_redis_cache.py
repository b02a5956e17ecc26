"""Two caches over one Redis: what one changes the other no longer has, and Redis may go and come back."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from typing import TYPE_CHECKING

import pytest

from perfloop import MultiLevelCache
from perfloop.caching import EntryOptions
from perfloop.caching.backplane.redis import RedisBackplane
from perfloop.caching.levels.redis import RedisLevel

from ...servers.processes import free_port
from ...servers.redis import run_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...servers.redis import Redis

PATIENCE = 30.0


def cache(url: str, namespace: str) -> MultiLevelCache[str, str]:
    level = RedisLevel(url, namespace=namespace)
    backplane = RedisBackplane(namespace=namespace, transport=level.transport)
    return MultiLevelCache(str, levels=[level], backplane=backplane, options=EntryOptions(ttl=600.0, jitter=0.0))


@pytest.fixture
def caches(redis_server: Redis) -> Iterator[list[MultiLevelCache[str, str]]]:
    namespace = secrets.token_hex(8)
    caches = [cache(redis_server.url, namespace) for _ in range(2)]
    yield caches
    for each in caches:
        each.close()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_one_changes_the_other_no_longer_has(caches: list[MultiLevelCache[str, str]]) -> None:
    one, two = caches
    one.set("key", "old", options=EntryOptions(ttl=600.0, tags=("tag",)))
    eventually(lambda: two.get("key") == "old" and len(two) == 1)  # it hears by now, and keeps it itself
    for change in (lambda: one.delete("key"), lambda: one.remove_tags("tag"), one.clear):
        change()
        eventually(lambda: two.get("key") is None)
        two.get_or_load("key", lambda: "new", options=EntryOptions(ttl=600.0, tags=("tag",)))
        eventually(lambda: one.get("key") == "new")


async def test_a_server_that_dies_and_comes_back() -> None:
    port = free_port()
    with run_redis(port=port) as server:
        one, two = (cache(server.url, "shop") for _ in range(2))
        assert await one.aget_or_load("key", lambda: "old") == "old"
        assert await two.aget("key") == "old"
        os.kill(server.pid, signal.SIGKILL)
    assert await one.aget_or_load("other", lambda: "loaded") == "loaded"
    await one.adelete("key")
    assert await one.aget("key") is None
    deadline = time.monotonic() + PATIENCE
    with run_redis(port=port):
        while await two.aget("key") is not None:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        while await two.aget("key") != "new":
            await one.aset("key", "new")
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        one.close()
        two.close()
