"""Redis is killed under load, and comes back: one process, in which each request is due whatever became of others."""

from __future__ import annotations

import asyncio
import os
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from perfloop.caching import EntryOptions, MultiLevelCache
from perfloop.caching.backplane.redis import RedisBackplane
from perfloop.caching.levels.redis import RedisLevel

from ..machine import client_core
from ..progress import say

if TYPE_CHECKING:
    from ..redis_server import RedisServer

__all__ = ["figures"]

_RATE = 2000.0
_LOCAL = 1000
_KEYS = 10 * _LOCAL
_LOAD_SECONDS = 0.02
_MOST_LOADS = 100
_TTL = 10.0
_WARM_UP = 12.0
_LONGEST_RECOVERY = 20.0


def figures(server: RedisServer, seconds: float) -> dict[str, Any]:
    """The figures of an outage of so many seconds."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {client_core()})
    try:
        return asyncio.run(_Outage(server, seconds).run())
    finally:
        os.sched_setaffinity(0, cores)


class _Outage:
    def __init__(self, server: RedisServer, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._cache: MultiLevelCache[int, int] = MultiLevelCache(
            int,
            key=int,
            levels=[RedisLevel(server.url, namespace="outage")],
            backplane=RedisBackplane(server.url, namespace="outage"),
            max_entries=_LOCAL,
            max_loads=_MOST_LOADS,
            options=EntryOptions(ttl=_TTL, stale_on_error=60),
        )
        self._loading = 0
        self._exceeded = 0
        self._loaded: list[float] = []
        self._latencies: list[tuple[float, float]] = []
        """When each request was due, and its seconds from then."""
        self._failed = 0

    async def run(self) -> dict[str, Any]:
        """Before, during, after."""
        began = time.monotonic()
        stop = asyncio.Event()
        requests = asyncio.create_task(self._requests(stop))
        await asyncio.sleep(_WARM_UP + self._seconds)
        killed = time.monotonic()
        await asyncio.to_thread(self._server.kill)
        await asyncio.sleep(self._seconds)
        back = time.monotonic()
        await asyncio.to_thread(self._server.start)
        await asyncio.sleep(_LONGEST_RECOVERY)
        stop.set()
        await requests
        self._cache.close()

        before, during = self._p99(began + _WARM_UP, killed), self._p99(killed, back)
        usual = self._loads(began + _WARM_UP, killed) / (killed - began - _WARM_UP)
        recovery = next(
            (
                at
                for at in np.arange(0, _LONGEST_RECOVERY - 1, 0.25)
                if self._loads(back + at, back + at + 1) <= 1.5 * usual
            ),
            None,
        )
        outage_loads = self._loads(killed, back)
        say(
            f"outage: p99 {before * 1000:.1f} ms before, {during * 1000:.1f} ms during; {usual:.0f} loads a second"
            f" before, {outage_loads / (back - killed):.0f} during; recovered after {recovery} s"
        )
        return {
            "loader_limit_exceeded": self._exceeded,
            "outage_loads": outage_loads,
            "outage_requests": len([1 for due, _ in self._latencies if killed <= due < back]),
            "p99_during_outage_over_before": during / before,
            "p99_before_ms": before * 1000,
            "failed_requests": self._failed,
            "recovered": recovery is not None,
            "recovery_s": recovery if recovery is not None else _LONGEST_RECOVERY,
        }

    async def _requests(self, stop: asyncio.Event) -> None:
        draw = random.Random(7)
        due = time.monotonic()
        tasks: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            now = time.monotonic()
            while due <= now:
                task = asyncio.create_task(self._request(due, draw.randrange(_KEYS)))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                due += draw.expovariate(_RATE)
            await asyncio.sleep(max(due - time.monotonic(), 0))
        await asyncio.gather(*tasks)

    async def _request(self, due: float, key: int) -> None:
        try:
            if await self._cache.aget_or_load(key, partial(self._load, key)) != key:
                raise RuntimeError(f"a wrong value for {key}")
        except OSError:
            self._failed += 1
        self._latencies.append((due, time.monotonic() - due))

    async def _load(self, key: int) -> int:
        self._loading += 1
        self._exceeded += self._loading > _MOST_LOADS
        self._loaded.append(time.monotonic())
        try:
            await asyncio.sleep(_LOAD_SECONDS)
        finally:
            self._loading -= 1
        return key

    def _p99(self, since: float, until: float) -> float:
        return float(np.percentile([seconds for due, seconds in self._latencies if since <= due < until], 99))

    def _loads(self, since: float, until: float) -> int:
        return sum(since <= at < until for at in self._loaded)
