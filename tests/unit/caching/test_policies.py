"""What the options of an entry do."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache
from perfloop.caching.effects import run
from perfloop.caching.options import lifetime, refresh_early
from perfloop.exceptions import InvalidValue, LoadTimedOut

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


@given(st.floats(0.001, 1e6), st.floats(0, 1), st.floats(0, 1))
def test_jitter_takes_its_share_at_most(ttl: float, jitter: float, drawn: float) -> None:
    life = lifetime(EntryOptions(ttl=ttl, jitter=jitter, stale_on_error=5, stale_while_revalidate=9), "v", drawn)
    assert ttl * (1 - jitter) <= life.fresh * (1 + 1e-9)
    assert life.fresh <= ttl
    assert life.kept == life.fresh + 9


def test_the_ttl_may_depend_on_the_value() -> None:
    options = EntryOptions(ttl=lambda value: len(value), jitter=0, negative_ttl=3)
    assert (lifetime(options, "four", 0).fresh, lifetime(options, None, 0).fresh) == (4, 3)
    with pytest.raises(InvalidValue, match="return 0 seconds or more"):
        lifetime(EntryOptions(ttl=lambda _: -1), "v", 0)


def test_early_refreshes_follow_the_papers_distribution() -> None:
    options = EntryOptions(refresh_early=2.0)
    draws = sorted(refresh_early(options, 0.5, (number + 0.5) / 1000) for number in range(1000))
    assert sum(draws) / 1000 == pytest.approx(1.0, rel=0.01)  # exponential, with β × the load's seconds as its mean
    assert draws[500] == pytest.approx(0.693, rel=0.01)
    assert refresh_early(EntryOptions(), 0.5, 0.1) == 0


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
