"""1,000 who miss one key at the same time, in 4 processes: two of tasks, two of threads."""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from perfloop.caching import EntryOptions, MultiLevelCache
from perfloop.caching.levels.redis import RedisLevel

from ..progress import say

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized
    from multiprocessing.synchronize import Barrier

    from ..redis_server import RedisServer

__all__ = ["figures"]

_PROCESSES = 4
_EACH = 250
_LOAD_SECONDS = 0.2
_OPTIONS = EntryOptions(ttl=60)


def figures(server: RedisServer, rounds: int) -> dict[str, Any]:
    """`loads`, `naive_loads`, `rounds` and `waiters`."""
    ours = [_round(server.url, single_flight=True) for _ in range(rounds)]
    naive = _round(server.url, single_flight=False)
    say(f"stampede: loads {ours}, without single-flight {naive}")
    return {"loads": max(ours), "naive_loads": naive, "rounds": rounds, "waiters": _PROCESSES * _EACH}


def _round(url: str, *, single_flight: bool) -> int:
    context = multiprocessing.get_context("spawn")
    barrier, loads = context.Barrier(_PROCESSES), context.Value("i", 0)
    namespace = secrets.token_hex(4)
    processes = [
        context.Process(target=_ask, args=(url, namespace, number % 2 == 0, single_flight, barrier, loads), daemon=True)
        for number in range(_PROCESSES)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        if process.exitcode != 0:
            raise RuntimeError(f"a process that asks ended with {process.exitcode}")
    return int(loads.value)


def _ask(
    url: str, namespace: str, tasks: bool, single_flight: bool, barrier: Barrier, loads: Synchronized[int]
) -> None:
    levels = [RedisLevel(url, namespace=namespace)]
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, levels=levels, options=_OPTIONS)

    def load() -> int:
        with loads.get_lock():
            loads.value += 1
        time.sleep(_LOAD_SECONDS)
        return 42

    async def load_async() -> int:
        with loads.get_lock():
            loads.value += 1
        await asyncio.sleep(_LOAD_SECONDS)
        return 42

    async def ask_async() -> int:
        if single_flight:
            return await cache.aget_or_load("key", load_async)
        value = await cache.aget("key")
        if value is None:
            value = await load_async()
            await cache.aset("key", value)
        return value

    def ask() -> int:
        if single_flight:
            return cache.get_or_load("key", load)
        value = cache.get("key")
        if value is None:
            value = load()
            cache.set("key", value)
        return value

    async def all_tasks() -> list[int]:
        barrier.wait(30)
        return list(await asyncio.gather(*(ask_async() for _ in range(_EACH))))

    if tasks:
        got = asyncio.run(all_tasks())
    else:
        got = []
        threads = [threading.Thread(target=lambda: got.append(ask())) for _ in range(_EACH)]
        barrier.wait(30)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if got != [42] * _EACH:
        raise RuntimeError(f"expected {_EACH} answers, got {len(got)}")
