"""What a loader may do that it should not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from perfloop.caching import MemoryLevel, MultiLevelCache
from perfloop.exceptions import InvalidValue


@pytest.mark.parametrize(
    ("raised", "reaches"),
    [(StopIteration, RuntimeError), (StopAsyncIteration, StopAsyncIteration), (KeyboardInterrupt, KeyboardInterrupt)],
)
def test_whatever_a_loader_raises_reaches_the_caller_and_holds_nobody_up(
    raised: type[BaseException], reaches: type[BaseException]
) -> None:
    levels = [MemoryLevel()]

    def load() -> int:
        raise raised

    cache = MultiLevelCache(int, levels=levels)
    with pytest.raises(reaches):
        cache.get_or_load("k", load)
    assert not cache._local._fences
    assert [each.get_or_load("k", lambda: 2) for each in (MultiLevelCache(int, levels=levels), cache)] == [2, 2]


async def test_a_loader_that_stops_an_iteration_in_a_thread_leaves_nobody_waiting() -> None:
    cache = MultiLevelCache(int, max_loads=1)

    def load() -> int:
        return next(iter(()))

    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await cache.aget_or_load("k", load)
        assert await cache.aget_or_load("k", lambda: 2) == 2


@pytest.mark.parametrize("returned", [[1], None, 5, {1}])
def test_a_loader_of_many_that_returns_no_mapping_is_told_so(returned: Any) -> None:
    cache = MultiLevelCache(int, levels=[MemoryLevel()])
    with pytest.raises(InvalidValue, match="return a mapping of keys to values, got a") as caught:
        cache.get_or_load_many(["k"], lambda keys: returned)
    assert "zip(keys, values)" in str(caught.value.hint)
    assert cache.get_or_load_many(["k"], lambda keys: {"k": 1}) == {"k": 1}
