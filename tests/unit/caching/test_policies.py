"""What the options of an entry do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache
from perfloop.caching.effects import run
from perfloop.exceptions import LoadTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


def eventually(holds: Callable[[], bool]) -> None:
    """Wait for what a thread in the background does."""
    done = threading.Event()
    for _ in range(1000):
        if holds():
            return
        done.wait(0.01)
    raise AssertionError("it never held")


def test_a_stale_value_is_given_at_once_while_it_is_loaded_anew() -> None:
    time, go = Time(), threading.Event()
    cache = MultiLevelCache(int, clock=time)
    options = EntryOptions(ttl=10, jitter=0, stale_while_revalidate=20)
    cache.get_or_load("k", lambda: 1, options)
    time.seconds = 15

    def load() -> int:
        go.wait(10)
        return 2

    assert [cache.get_or_load("k", load, options) for _ in range(3)] == [1, 1, 1]
    go.set()
    eventually(lambda: cache.get("k") == 2)
    time.seconds = 60
    assert cache.get_or_load("k", lambda: 3, options) == 3


async def test_a_stale_value_of_a_level_below_is_loaded_anew_in_the_background() -> None:
    time, level = Time(), MemoryLevel()
    level._clock = time
    options = EntryOptions(ttl=10, jitter=0, stale_while_revalidate=20)
    await MultiLevelCache(int, levels=[level], clock=time).aget_or_load("k", lambda: 1, options)
    time.seconds = 15
    other = MultiLevelCache(int, levels=[level], clock=time)
    assert await other.aget_or_load("k", lambda: 2, options) == 1
    for _ in range(1000):
        if await other.aget("k") == 2:
            break
        await asyncio.sleep(0.005)
    assert await other.aget("k") == 2


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_nobody_waits_longer_than_the_soft_timeout_where_there_is_a_stale_value(kind: str) -> None:
    time, go = Time(), threading.Event()
    cache = MultiLevelCache(int, clock=time)
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60, soft_timeout=0.02)
    cache.get_or_load("k", lambda: 1, options)
    time.seconds = 15

    def load() -> int:
        go.wait(10)
        return 2

    async def main() -> int:
        value = await cache.aget_or_load("k", load, options)
        go.set()
        for _ in range(1000):
            if await cache.aget("k") == 2:
                break
            await asyncio.sleep(0.01)
        return value

    if kind == "threads":
        assert cache.get_or_load("k", load, options) == 1
        go.set()
    else:
        assert asyncio.run(main()) == 1
    eventually(lambda: cache.get("k") == 2)  # the loader went on, and filled the cache


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_nobody_waits_longer_than_the_hard_timeout(kind: str) -> None:
    go = threading.Event()
    cache = MultiLevelCache(int)
    options = EntryOptions(hard_timeout=0.02)

    def load() -> int:
        go.wait(10)
        return 2

    async def main() -> None:
        with pytest.raises(LoadTimedOut, match="goes on in the background"):
            await cache.aget_or_load("k", load, options)
        go.set()
        for _ in range(1000):
            if await cache.aget("k") == 2:
                break
            await asyncio.sleep(0.01)

    if kind == "threads":
        with pytest.raises(LoadTimedOut, match="goes on in the background"):
            cache.get_or_load("k", load, options)
        go.set()
    else:
        asyncio.run(main())
    eventually(lambda: cache.get("k") == 2)


def test_a_hot_key_is_loaded_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1 - 1e-9)  # the earliest moment that is ever drawn
    time, go = Time(), threading.Event()
    cache = MultiLevelCache(int, clock=time)
    options = EntryOptions(ttl=100, jitter=0, refresh_early=1)

    def load() -> int:
        go.wait(10)
        time.seconds += 2
        return int(time.seconds)

    go.set()
    assert cache.get_or_load("k", load, options) == 2
    time.seconds = 70
    go.clear()
    assert cache.get_or_load("k", load, options) == 2  # still given, and loaded anew in the background
    go.set()
    eventually(lambda: cache.get("k") == 72)


def test_a_process_looks_below_after_its_local_ttl() -> None:
    time = Time()
    level = MemoryLevel(clock=time)
    one, other = (MultiLevelCache(int, levels=[level], clock=time) for _ in range(2))
    options = EntryOptions(ttl=100, jitter=0, local_ttl=5)
    assert one.get_or_load("k", lambda: 1, options) == 1
    other.set("k", 2, options)
    assert one.get("k") == 1
    time.seconds = 6
    assert one.get_or_load("k", lambda: 3, options) == 2


def test_what_was_found_does_not_last_longer_because_others_had_to_be_loaded() -> None:
    time = Time()
    second, third = MemoryLevel("second", clock=time), MemoryLevel("third", clock=time)
    options = EntryOptions(ttl=10, jitter=0)
    MultiLevelCache(int, levels=[third], clock=time, options=options).set("found", 1)
    cache = MultiLevelCache(int, levels=[second, third], clock=time, options=options)

    def load(keys: list[str]) -> dict[str, int]:
        time.seconds += 6
        return dict.fromkeys(keys, 2)

    assert cache.get_or_load_many(["found", "loaded"], load) == {"found": 1, "loaded": 2}
    time.seconds += 5
    assert cache.get_many(["found", "loaded"]) == {"loaded": 2}
    assert [stored is not None and stored.fresh for stored in run(second.read(["found", "loaded"]))] == [False, 5]
