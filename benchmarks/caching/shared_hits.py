"""What a hit in Redis costs when the process has nothing, beside redis-py fetching the same bytes."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import redis
from tests.servers.redis import run_redis

from perfloop.caching import EntryOptions, MultiLevelCache
from perfloop.caching.levels.redis import RedisLevel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

_KEYS = [f"user:{number}" for number in range(500)]
_VALUE = "x" * 100
_ROUNDS = 15
# Nothing is ever fresh in the process' own level: every look-up goes to Redis.
_OPTIONS = EntryOptions(ttl=3600.0, local_ttl=0.0)


def measure(full: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and peers.

    Args:
        full: four times the rounds.
    """
    with run_redis() as server:
        level = RedisLevel(server.url, namespace="benchmark")
        cache: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level], options=_OPTIONS)
        cache.set_many(dict.fromkeys(_KEYS, _VALUE))
        client: Any = redis.Redis.from_url(server.url)
        single: Any = redis.Redis.from_url(server.url, single_connection_client=True)
        names = {name.rpartition(b"user:")[2]: name for name in client.keys("*user:*")}
        stored = [names[key.removeprefix("user:").encode()] for key in _KEYS]
        if cache.get(_KEYS[0]) != _VALUE or _VALUE.encode() not in client.get(stored[0]):
            raise AssertionError("Expected the value out of Redis, from both")
        calls: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
            "ours": (cache.get, _KEYS),
            "redis_py": (client.get, stored),
            "redis_py_single_connection": (single.get, stored),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        order = list(calls)
        for number in range(-1, _ROUNDS * (4 if full else 1)):  # the round before the first warms caches
            for name in order[number % 3 :] + order[: number % 3]:
                call, keys = calls[name]
                started = time.perf_counter()
                for key in keys:
                    call(key)
                if number >= 0:
                    times[name].append((time.perf_counter() - started) / len(keys) * 1e6)
        level.close()
        client.close()
        single.close()
    ratios = [ours / theirs for ours, theirs in zip(times["ours"], times["redis_py"], strict=True)]
    figures = {"l2_hit_vs_redis_py": statistics.median(ratios), "l2_hit_us": statistics.median(times.pop("ours"))}
    return figures, {f"{name}_get_us": statistics.median(each) for name, each in times.items()}
