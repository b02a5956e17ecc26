"""The cache of several levels, as threads and event loops use it."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache
from perfloop.caching.effects import run
from perfloop.exceptions import ConfigurationError, InvalidValue, ReentrantLoad

from .staged import Party

if TYPE_CHECKING:
    from collections.abc import Callable


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


class Counted:
    """A loader that returns how often it was called, or raises."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self) -> int:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return self.calls


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def levels(time: Time) -> list[MemoryLevel]:
    return [MemoryLevel("second", clock=time), MemoryLevel("third", clock=time)]


@pytest.fixture
def make(time: Time, levels: list[MemoryLevel]) -> Callable[..., MultiLevelCache[str, int]]:
    """Caches of several processes over the same levels."""
    return lambda **how: MultiLevelCache(int, levels=levels, clock=time, **how)


def test_all_processes_find_what_one_has_loaded(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    one, other, loader = make(), make(), Counted()
    assert one.get_or_load("k", loader) == 1
    assert (other.get("k"), other.get_or_load("k", loader), one.get("k")) == (1, 1, 1)
    assert loader.calls == 1


def test_a_none_is_kept_and_shared_whatever_the_type(levels: list[MemoryLevel]) -> None:
    one: MultiLevelCache[str, list[int]] = MultiLevelCache(list[int], levels=levels)
    other: MultiLevelCache[str, list[int]] = MultiLevelCache(list[int], levels=levels)
    assert one.get_or_load_many(["a", "b"], lambda keys: {"a": [1]}) == {"a": [1], "b": None}
    assert other.get_many(["a", "b"]) == {"a": [1], "b": None}


def test_a_change_is_seen_by_all(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    one, other, loader = make(), make(), Counted()
    one.get_or_load("k", loader)
    one.delete("k")
    assert (one.get("k"), other.get("k"), other.get_or_load("k", loader)) == (None, None, 2)
    other.set("k", 9)
    assert other.get("k") == 9


def test_nothing_is_kept_while_somebody_writes(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    one, other, loader = make(), make(), Counted()
    one.get_or_load("k", loader)
    with one.writing("k"):
        assert other.get_or_load("k", loader) == 2
        assert other.get_or_load("k", loader) == 3
    assert [other.get_or_load("k", loader) for _ in range(2)] == [4, 4]


def test_what_one_level_knows_to_be_held_is_not_taken_from_another_that_does_not(
    make: Callable[..., MultiLevelCache[str, int]], levels: list[MemoryLevel]
) -> None:
    make().get_or_load("k", lambda: 1)
    run(levels[0].hold(["k"], [], "writer", 30.0))  # the one below could not be reached
    reader, asked = make(), []

    def load(keys: list[str]) -> dict[str, int]:
        asked.append(keys)
        return dict.fromkeys(keys, 2)

    assert reader.get_or_load_many(["k", "free"], load) == {"k": 2, "free": 2}
    run(levels[1].delete(["k"]))
    assert reader.get_or_load_many(["k", "free"], load) == {"k": 2, "free": 2}
    assert asked == [["free", "k"], ["k"]]
    assert run(levels[1].read(["k"])) == [None]


def test_others_wait_for_who_loads_as_long_as_a_lease_lasts(levels: list[MemoryLevel]) -> None:
    class Passing(Time):
        def now(self) -> float:
            self.seconds += 1.0
            return self.seconds

    run(levels[0].lease(["k"], "of a process that was killed", 30.0))
    cache = MultiLevelCache(int, levels=levels, clock=Passing(), lease_seconds=2.0)
    assert cache.get_or_load("k", lambda: 7) == 7
    assert run(levels[0].read(["k"])) == [None]


def test_one_call_of_the_loader_for_all_that_is_missing(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    cache, asked = make(), []

    def load(keys: list[str]) -> dict[str, int]:
        asked.append(keys)
        return {key: len(key) for key in keys}

    cache.set("a", 1)
    assert cache.get_or_load_many(["a", "bb", "ccc", "bb"], load) == {"a": 1, "bb": 2, "ccc": 3}
    assert asked == [["bb", "ccc"]]
    assert cache.get_many(["a", "bb", "none"]) == {"a": 1, "bb": 2}


async def test_a_load_that_nobody_waits_for_any_more_ends() -> None:
    cache, ended = MultiLevelCache(int), asyncio.Event()

    async def load() -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return 0

    task = asyncio.create_task(cache.aget_or_load("k", load))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait_for(ended.wait(), 10)
    assert await cache.aget_or_load("k", lambda: 5) == 5


def test_threads_share_one_load() -> None:
    cache, go, calls = MultiLevelCache(int), threading.Event(), []

    def load() -> int:
        calls.append(1)
        go.wait(10)
        return 7

    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(cache.get_or_load("k", load))) for _ in range(4)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert (got, len(calls)) == ([7] * 4, 1)


def test_a_stale_value_in_the_place_of_an_error(time: Time) -> None:
    cache, loader = MultiLevelCache(int, clock=time), Counted()
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60, retry_after=2)
    assert cache.get_or_load("k", loader, options) == 1
    loader.error = OSError("down")
    time.seconds += 11
    assert [cache.get_or_load("k", loader, options) for _ in range(3)] == [1, 1, 1]
    assert loader.calls == 2
    time.seconds += 3
    cache.get_or_load("k", loader, options)
    assert loader.calls == 3
    time.seconds += 60
    with pytest.raises(OSError, match="down"):
        cache.get_or_load("k", loader, options)


def test_a_stale_value_is_given_to_who_asks_for_it(make: Callable[..., MultiLevelCache[str, int]], time: Time) -> None:
    one, other = make(), make()
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60)
    assert one.get_stale("k") is None
    assert one.get_or_load("k", lambda: 1, options) == 1
    assert (one.get_stale("k"), one.statistics().stale) == (1, 0)
    time.seconds += 11
    assert (one.get("k"), other.get("k")) == (None, None)
    assert (one.get_stale("k"), other.get_stale("k"), asyncio.run(other.aget_stale("k"))) == (1, 1, 1)
    assert (one.statistics().stale, other.statistics().stale) == (1, 2)
    assert one.get("k") is None  # it does not become fresh by that
    other.set("k", 2)
    assert one.get_stale("k") == 2  # what is fresh below comes first
    one.expire("k")
    assert (one.get("k"), one.get_stale("k"), other.get_stale("k")) == (None, 2, 2)
    with one.writing("k"):
        assert other.get_stale("k", 9) == 9
    one.set("k", 3, options)
    time.seconds += 70
    assert (one.get_stale("k"), other.get_stale("k")) == (None, None)


def test_of_stale_values_the_lowest_level_has_the_last_word(
    make: Callable[..., MultiLevelCache[str, int]], time: Time
) -> None:
    options = EntryOptions(ttl=10, jitter=0, stale_on_error=60)
    one, other = make(), make()
    one.get_or_load("k", lambda: 1, options)
    other.set("k", 2, options)  # nobody tells the other one, which has no backplane
    time.seconds += 11
    assert one.get_stale("k") == 2


def test_a_stale_value_that_is_removed_is_gone(make: Callable[..., MultiLevelCache[str, int]], time: Time) -> None:
    cache = make()
    cache.set("k", 1, EntryOptions(ttl=10, jitter=0, stale_on_error=60, tags=("t",)))
    time.seconds += 11
    assert cache.get_stale("k") == 1
    cache.remove_tags("t")
    assert cache.get_stale("k") is None


def test_a_loader_that_asks_for_its_own_key_is_told_so() -> None:
    cache = MultiLevelCache(int)

    def load() -> int:
        return cache.get_or_load("k", load)

    with pytest.raises(ReentrantLoad, match="got 'k'"):
        cache.get_or_load("k", load)


class Point(msgspec.Struct, frozen=True):
    x: int


def test_what_cannot_be_changed_is_shared() -> None:
    cache = MultiLevelCache(Point)
    cache.set("k", Point(1))
    assert cache.get("k") is cache.get("k")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MultiLevelCache(int, max_entries=0), "max_entries of 1 or more"),
        (lambda: MultiLevelCache(int, lease_seconds=0), "lease_seconds above 0"),
        (lambda: MultiLevelCache(int).get(5), "key that is a str"),
        (lambda: MultiLevelCache(int, key=int).get(True), "got `bool`"),
        (lambda: MultiLevelCache(int).get("x" * 20_000), "at most 10,000"),
        (lambda: MultiLevelCache(list[object]).set("k", [object()]), "can be encoded"),
        (lambda: EntryOptions(ttl=0), "ttl above 0"),
        (lambda: EntryOptions(jitter=2), "jitter from 0 to 1"),
        (lambda: EntryOptions(hard_timeout=-1), "hard_timeout of 0 or more"),
        (lambda: EntryOptions(ttl=timedelta(minutes=1)), "a number for ttl, got a timedelta"),  # type: ignore[arg-type]
        (lambda: EntryOptions(ttl=None), "a number for ttl, got a NoneType"),  # type: ignore[arg-type]
        (lambda: EntryOptions(tags="user"), "tags in a tuple, got 'user'"),  # type: ignore[arg-type]
        (lambda: MultiLevelCache(list[int]).set("k", ["1"]), "of the cache's type, got a list: Expected `int`"),
        (lambda: MultiLevelCache(list[int]).get_or_load("k", lambda: 5), "of the cache's type, got a int"),  # type: ignore[arg-type, return-value]
    ],
)
def test_wrong_use_is_told(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InvalidValue, match=words):
        call()


@pytest.mark.parametrize("levels", [MemoryLevel(), ["redis://127.0.0.1"], "redis://127.0.0.1"])
def test_what_is_no_list_of_levels_is_refused(levels: Any) -> None:
    with pytest.raises(ConfigurationError, match="Expected levels in a list, got a"):
        MultiLevelCache(int, levels=levels)


def test_what_one_process_changes_goes_from_the_others(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    lines: list[Party] = []
    one, other = make(backplane=Party(lines)), make(backplane=Party(lines))
    tagged = EntryOptions(tags=("t",))
    for change in (
        lambda: one.delete("k"),
        lambda: one.remove_tags("t"),
        lambda: one.clear(),
        lambda: one.set("k", 1),
        lambda: one.expire("k"),
    ):
        other.get_or_load("k", lambda: 5, tagged)
        assert len(other) == 1
        change()
        assert other.get("k") != 5


@pytest.mark.parametrize("held", [{"keys": ["k"]}, {"tags": ["t"]}])
def test_what_others_are_about_to_change_is_not_put_into_a_level_that_does_not_know_of_it(
    make: Callable[..., MultiLevelCache[str, int]], levels: list[MemoryLevel], held: dict[str, list[str]]
) -> None:
    lines: list[Party] = []
    writer, reader = MultiLevelCache(int, backplane=Party(lines)), make(backplane=Party(lines))
    tagged = EntryOptions(tags=("t",))
    make().get_or_load("k", lambda: 1, tagged)
    reader.get("other")  # and hears from now on
    with writer.writing(*held.get("keys", ()), tags=held.get("tags", ())):
        assert reader.get("k") is None
        assert reader.get_or_load("k", lambda: 2, tagged) == 2
        for level in levels:
            run(level.delete(["k"]))
        assert reader.get_or_load("k", lambda: 3, tagged) == 3
        assert [run(level.read(["k"])) for level in levels] == [[None], [None]]
    assert [reader.get_or_load("k", lambda: 4, tagged) for _ in range(2)] == [4, 4]
    assert make().get("k") == 4


def test_a_second_cache_does_not_take_the_first_ones_backplane(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    line = Party([])
    cache = make(backplane=line, name="users")
    with pytest.raises(ConfigurationError, match="'orders': this one is that of cache 'users'"):
        make(backplane=line, name="orders")
    cache.close()
    make(backplane=line, name="orders")


async def test_a_cache_that_is_closed_in_an_event_loop_gives_its_backplane_back(
    make: Callable[..., MultiLevelCache[str, int]],
) -> None:
    line = Party([])
    await make(backplane=line, name="users").aclose()
    make(backplane=line, name="orders")


def test_a_process_that_does_not_hear_keeps_nothing(make: Callable[..., MultiLevelCache[str, int]]) -> None:
    line = Party([])
    cache = make(backplane=line)
    cache.get_or_load("k", lambda: 5)
    assert len(cache) == 1
    line.turn_deaf()
    assert cache.get_or_load("k", lambda: 6) == 5  # from a level below
    assert len(cache) == 0


def test_no_more_loaders_at_one_time_than_allowed() -> None:
    cache, most, now, lock = MultiLevelCache(int, key=int, max_loads=3), [0], [0], threading.Lock()
    enough = threading.Barrier(3)

    def load() -> int:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        enough.wait(10)
        with lock:
            now[0] -= 1
        return 1

    threads = [threading.Thread(target=cache.get_or_load, args=(key, load)) for key in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (most[0], len(cache)) == (3, 12)


async def test_a_cancelled_wait_for_a_turn_gives_it_to_the_next() -> None:
    cache, go, begun = MultiLevelCache(int, max_loads=1), asyncio.Event(), asyncio.Event()

    async def load() -> int:
        begun.set()
        await go.wait()
        return 1

    first = asyncio.create_task(cache.aget_or_load("first", load))
    await begun.wait()
    second = asyncio.create_task(cache.aget_or_load("second", load))
    third = asyncio.create_task(cache.aget_or_load("third", load))
    for _ in range(10):
        await asyncio.sleep(0)
    second.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(first, third) == [1, 1]


def test_tags_removed_while_a_loader_runs_are_bounded_and_not_lost() -> None:
    cache: MultiLevelCache[str, int] = MultiLevelCache(int, options=EntryOptions(tags=("first",)))
    bounds = []

    def load() -> int:
        for tag in ("first", *map(str, range(5000))):
            cache.remove_tags(tag)
        [fence] = cache._local._fences["key"]
        bounds.append(len(fence.removed_tags))
        return len(bounds)

    assert [cache.get_or_load("key", load) for _ in range(2)] == [1, 2]
    assert max(bounds) <= 1000
