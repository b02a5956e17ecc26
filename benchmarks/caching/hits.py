"""What a hit costs: nanoseconds a call, ours and a peer's in the same round."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

import cachetools
from cashews import Cache
from dogpile.cache import make_region

from perfloop.caching import EntryOptions, MultiLevelCache, cached

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    # Does its calls, and gives nanoseconds a call.
    Loop = Callable[[], Awaitable[float]]

__all__ = ["measure"]

_KEYS = [f"user:{number}" for number in range(1000)]
_NUMBERS = range(1000)
_ROUNDS = 15
_TTL = 3600.0


def measure(full: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Figures and peers.

    Args:
        full: four times the rounds.
    """
    return asyncio.run(_measure(_ROUNDS * (4 if full else 1)))


async def _measure(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    pairs: dict[str, tuple[str, Loop, Loop]] = {
        "l1_sync_hit": ("cachetools", _ours_sync(), _cachetools()),
        "l1_async_hit": ("cashews", await _ours_async(), await _cashews()),
        "decorator_hit": ("cashews", await _our_decorator(), await _cashews_decorator()),
        "get_or_load_hit": ("dogpile", _ours_get_or_load(), _dogpile()),
    }
    for name, (peer, ours, theirs) in pairs.items():
        ratios, our_times, their_times = [], [], []
        for number in range(-1, rounds):  # the round before the first warms caches
            times = {}
            for which in (ours, theirs) if number % 2 else (theirs, ours):
                times[which] = await which()
            if number >= 0:
                ratios.append(times[ours] / times[theirs])
                our_times.append(times[ours])
                their_times.append(times[theirs])
        figures[f"{name}_vs_{peer}"] = statistics.median(ratios)
        figures[f"{name}_ns"] = statistics.median(our_times)
        peers[f"{peer}_{name}_ns"] = statistics.median(their_times)
    return figures, peers


def _sync(loop: Callable[[], None], turns: int) -> Loop:
    async def timed() -> float:
        started = time.perf_counter()
        for _ in range(turns):
            loop()
        return (time.perf_counter() - started) / (turns * len(_KEYS)) * 1e9

    return timed


def _async(loop: Callable[[], Awaitable[None]], turns: int) -> Loop:
    async def timed() -> float:
        started = time.perf_counter()
        for _ in range(turns):
            await loop()
        return (time.perf_counter() - started) / (turns * len(_KEYS)) * 1e9

    return timed


def _filled() -> MultiLevelCache[str, str]:
    cache: MultiLevelCache[str, str] = MultiLevelCache(str, options=EntryOptions(ttl=_TTL), name="benchmark")
    for key in _KEYS:
        cache.get_or_load(key, lambda key=key: key)  # type: ignore[misc]
    return cache


def _ours_sync() -> Loop:
    cache = _filled()

    def loop() -> None:
        for key in _KEYS:
            cache.get(key)

    return _sync(loop, 20)


def _cachetools() -> Loop:
    cache: cachetools.TTLCache[str, str] = cachetools.TTLCache(10_000, _TTL)
    for key in _KEYS:
        cache[key] = key

    def loop() -> None:
        for key in _KEYS:
            cache[key]

    return _sync(loop, 20)


async def _ours_async() -> Loop:
    cache = _filled()

    async def loop() -> None:
        for key in _KEYS:
            await cache.aget(key)

    return _async(loop, 20)


async def _cashews() -> Loop:
    cache = Cache()
    cache.setup("mem://", size=10_000)
    for key in _KEYS:
        await cache.set(key, key, expire=_TTL)

    async def loop() -> None:
        for key in _KEYS:
            await cache.get(key)

    return _async(loop, 5)


async def _our_decorator() -> Loop:
    @cached(ttl=_TTL, key="user:{user_id}")
    async def user(user_id: int) -> str:
        return f"user {user_id}"

    return await _called(user, 20)


async def _cashews_decorator() -> Loop:
    cache = Cache()
    cache.setup("mem://", size=10_000)

    @cache(ttl=_TTL, key="user:{user_id}")
    async def user(user_id: int) -> str:
        return f"user {user_id}"

    return await _called(user, 1)


async def _called(user: Callable[[int], Awaitable[str]], turns: int) -> Loop:
    async def loop() -> None:
        for number in _NUMBERS:
            await user(number)

    await loop()
    return _async(loop, turns)


def _ours_get_or_load() -> Loop:
    cache = _filled()

    def loop() -> None:
        for key in _KEYS:
            cache.get_or_load(key, _never)

    return _sync(loop, 20)


def _dogpile() -> Loop:
    region = make_region().configure("dogpile.cache.memory", expiration_time=_TTL)
    for key in _KEYS:
        region.set(key, key)

    def loop() -> None:
        for key in _KEYS:
            region.get_or_create(key, _never)

    return _sync(loop, 5)


def _never() -> Any:
    raise AssertionError("Expected a hit")
