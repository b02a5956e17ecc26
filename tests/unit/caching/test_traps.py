"""What shipped caches fell into, each with a naive cache beside ours that falls into it, too.

More of the first kind, by forced interleavings of several processes over several levels, is in
`python -m benchmarks invalidation`, and beside real servers in tests/integration/caching.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching import EntryOptions, MemoryLevel, MultiLevelCache, Stored, cached
from perfloop.caching.effects import run
from perfloop.caching.encoding import ValueCodec
from perfloop.exceptions import InvalidValue

from .naive import KeyedByFirstArgument, NaiveCache, NaiveFlights, PickledLevel, TagsByClock, naive_cached
from .staged import Announced, Dead, Party, Paused, Time, settle

if TYPE_CHECKING:
    from collections.abc import Callable


TAGGED = EntryOptions(tags=("t",), jitter=0)
OURS = pytest.param(True, id="ours")
BOTH = [OURS, pytest.param(False, id="naive")]
beside_a_naive_one = pytest.mark.parametrize("ours", BOTH)


# An invalidation during a fill is lost (FusionCache#625, #628, #535; lettuce#3481)


def two(ours: bool) -> tuple[Any, Any]:
    """Two processes over one level."""
    if ours:
        levels, lines = [MemoryLevel()], list[Party]()
        return tuple(  # type: ignore[return-value]
            MultiLevelCache(str, levels=levels, backplane=Party(lines), options=TAGGED) for _ in range(2)
        )
    shared, peers = dict[str, Any](), list[NaiveCache]()
    return NaiveCache(shared, peers), NaiveCache(shared, peers)


@beside_a_naive_one
@pytest.mark.parametrize("whose", [0, 1])
@pytest.mark.parametrize("change", ["delete", "remove_tags", "clear"])
def test_an_invalidation_during_a_fill_is_not_lost(ours: bool, whose: int, change: str) -> None:
    caches, row = two(ours), "old"

    def load() -> str:
        nonlocal row
        read, row = row, "new"
        arguments = {"delete": ["k"], "remove_tags": ["t"], "clear": []}[change]
        getattr(caches[whose], change)(*arguments)
        return read

    assert caches[0].get_or_load("k", load, *([] if ours else [("t",)])) == "old"  # given to who asked before
    found = [cache.get("k") for cache in caches]
    assert found == ([None, None] if ours else ["old", "old"])


@beside_a_naive_one
@pytest.mark.parametrize("change", ["delete", "remove_tags"])
def test_an_invalidation_during_a_refresh_in_the_background_is_not_lost(ours: bool, change: str) -> None:
    begun, go, time = threading.Event(), threading.Event(), Time()

    def load() -> str:
        begun.set()
        assert go.wait(30)
        return "old"

    cache: Any
    if ours:
        options = EntryOptions(ttl=10, jitter=0, stale_while_revalidate=60, tags=("t",))
        cache = MultiLevelCache(str, clock=time, options=options)
        cache.get_or_load("k", lambda: "old")
        time.seconds += 11
        assert cache.get_or_load("k", load) == "old"
        threads = list(cache._core.tasks)
    else:
        cache = NaiveCache()
        cache.get_or_load("k", lambda: "old", ("t",))
        cache.refresh("k", load)
        threads = cache.threads
    assert begun.wait(30)
    getattr(cache, change)({"delete": "k", "remove_tags": "t"}[change])
    go.set()
    for thread in threads:
        thread.join(30)
    assert cache.get("k") == (None if ours else "old")


# Tags are checked against the reader's clock (dotnet/extensions#7771, #7411)


@beside_a_naive_one
@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
def test_tags_do_not_depend_on_whose_clock_is_right(ours: bool, ahead: float) -> None:
    right, wrong = Time(10_000.0), Time(10_000.0 + ahead)
    writer: Any
    remover: Any
    if ours:
        level = MemoryLevel(clock=right)
        writer, remover = (
            MultiLevelCache(str, levels=[level], clock=clock, options=TAGGED) for clock in (right, wrong)
        )
    else:
        shared: dict[str, Any] = {}
        writer, remover = TagsByClock(shared, right), TagsByClock(shared, wrong)
    writer.set("k", "old")
    right.seconds += 1
    wrong.seconds += 1
    remover.remove_tags("t")
    after_removal = remover.get("k")
    right.seconds += 1
    writer.set("k", "new")
    assert (after_removal, writer.get("k")) == (
        (None, "new") if ours else ("old", "new") if ahead < 0 else (None, None)
    )


# The process' own level is filled after a wait, without a check and without an end (cashews)


@beside_a_naive_one
async def test_what_was_found_below_is_not_filled_in_if_it_was_removed_meanwhile(ours: bool) -> None:
    reader: Any
    writer: Any
    if ours:
        level, lines = Paused(Time()), list[Party]()
        reader, writer = (MultiLevelCache(str, levels=[level], backplane=Party(lines)) for _ in range(2))
        begun, go = level.begun, level.go
    else:
        reader, writer = two(ours)
        begun, go = asyncio.Event(), asyncio.Event()

        async def between() -> None:
            begun.set()
            await go.wait()

        reader.between = between
    writer.set("k", "old")
    task = asyncio.create_task(reader.aget("k"))
    await begun.wait()
    writer.delete("k")
    go.set()
    assert await task == "old"  # asked for before it was removed
    assert reader.get("k") == (None if ours else "old")


@beside_a_naive_one
def test_what_was_found_below_ends_here_when_it_ends_there(ours: bool) -> None:
    time, level = Time(), MemoryLevel()
    level._clock = time
    one: Any
    if ours:
        options = EntryOptions(ttl=10, jitter=0)
        other, one = (MultiLevelCache(str, levels=[level], clock=time, options=options) for _ in range(2))
        other.set("k", "old")
        time.seconds += 9
    else:
        one = NaiveCache({"k": "old"})
    assert one.get("k") == "old"
    time.seconds += 2
    if not ours:
        one.shared.clear()  # it has ended there
    assert one.get("k") == (None if ours else "old")


@beside_a_naive_one
def test_a_change_of_ones_own_does_not_hide_that_of_another(ours: bool) -> None:
    one, other = two(ours)
    one.set("k", "mine")
    assert one.get("k") == "mine"
    other.set("k", "theirs")
    assert one.get("k") == ("theirs" if ours else "mine")


# Whoever finds that another process loads goes on to load himself (aiocache)


@beside_a_naive_one
async def test_a_load_of_another_process_is_waited_for(ours: bool) -> None:
    moved, go, calls = asyncio.Event(), asyncio.Event(), 0

    async def load() -> str:
        nonlocal calls
        calls += 1
        if calls > 1:
            moved.set()
        await go.wait()
        return "value"

    asks: list[Any]
    if ours:
        level = Announced(moved)
        asks = [MultiLevelCache(str, levels=[level]).aget_or_load for _ in range(2)]
    else:
        locks: set[str] = set()
        asks = [NaiveFlights(locks).unless_locked for _ in range(2)]
    tasks = [asyncio.create_task(ask("k", load)) for ask in asks]
    await moved.wait()  # the second is told to wait, or loads
    go.set()
    assert await asyncio.gather(*tasks) == ["value"] * 2
    assert calls == (1 if ours else 2)


# When the shared level dies all go to the source at once (cashews)


@beside_a_naive_one
async def test_without_the_shared_level_there_is_no_herd(ours: bool) -> None:
    go, calls, now, most = asyncio.Event(), 0, 0, 0

    async def load() -> str:
        nonlocal calls, now, most
        calls, now = calls + 1, now + 1
        most = max(most, now)
        await go.wait()
        now -= 1
        return "value"

    ask: Any
    if ours:
        ask = MultiLevelCache(str, levels=[Dead()], max_loads=3).aget_or_load
    else:
        ask = NaiveFlights(level=Dead()).if_it_answers
    tasks = [asyncio.create_task(ask(f"k{number % 5}", load)) for number in range(50)]
    await settle()
    go.set()
    assert await asyncio.gather(*tasks) == ["value"] * 50
    assert (calls, most) == ((5, 3) if ours else (50, 50))


# The leader fails or is cancelled (theine, cashews, moka)


@beside_a_naive_one
async def test_after_a_failure_nobody_waits_for_ever(ours: bool) -> None:
    cache, naive = MultiLevelCache(str), NaiveFlights()
    ask: Any = cache.aget_or_load if ours else naive.behind_an_event

    async def fail() -> str:
        raise KeyError("gone")

    async def load() -> str:
        return "value"

    with pytest.raises(KeyError):
        await ask("k", fail)
    task = asyncio.create_task(ask("k", load))
    await settle()
    assert task.done() == ours
    task.cancel()


@beside_a_naive_one
async def test_one_waiters_cancellation_leaves_the_others(ours: bool) -> None:
    cache, naive, begun, go = MultiLevelCache(str), NaiveFlights(), asyncio.Event(), asyncio.Event()
    ask: Any = cache.aget_or_load if ours else naive.by_a_task

    async def load() -> str:
        begun.set()
        await go.wait()
        return "value"

    tasks = [asyncio.create_task(ask("k", load)) for _ in range(5)]
    await begun.wait()
    tasks[0].cancel()  # it came first, and leads
    tasks[2].cancel()
    await settle()
    go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    cancelled = [isinstance(each, asyncio.CancelledError) for each in found]
    assert cancelled == ([True, False, True, False, False] if ours else [True] * 5)


@beside_a_naive_one
async def test_a_failure_reaches_all_who_wait_and_is_not_kept(ours: bool) -> None:
    cache, naive, go, calls = MultiLevelCache(str), NaiveFlights(), asyncio.Event(), 0
    ask: Any = cache.aget_or_load if ours else naive.by_a_task

    async def load() -> str:
        nonlocal calls
        calls += 1
        await go.wait()
        if calls == 1:
            raise KeyError("gone")
        return "value"

    tasks = [asyncio.create_task(ask("k", load)) for _ in range(3)]
    await settle()
    go.set()
    assert [str(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == ["'gone'"] * 3
    assert calls == 1
    [after] = await asyncio.gather(ask("k", load), return_exceptions=True)
    assert (after == "value") == ours


# What one event loop left behind is waited for in the next


@beside_a_naive_one
def test_what_a_closed_loop_left_behind_is_begun_anew(ours: bool) -> None:
    cache, naive, left = MultiLevelCache(str), NaiveFlights(), list[asyncio.Task[Any]]()
    ask: Any = cache.aget_or_load if ours else naive.by_a_task

    async def never() -> str:
        await asyncio.Event().wait()
        return "never"

    async def load() -> str:
        return "value"

    async def begin() -> None:
        left.append(asyncio.ensure_future(ask("k", never)))
        await settle()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    left += [*cache._core.tasks, *naive.tasks.values()]
    loop.close()

    async def ask_again() -> Any:
        task = asyncio.ensure_future(ask("k", load))
        await asyncio.wait([task])
        return task

    found = asyncio.run(ask_again())
    assert (found.exception() is None) == ours
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


# Pickle runs what it reads (CVE-2025-69872, CVE-2021-33026)

ran: list[str] = []


class Attack:
    def __reduce__(self) -> Any:
        return attack, ()


def attack() -> None:
    ran.append("as told")


@beside_a_naive_one
@pytest.mark.parametrize("wrap", [bytes, zlib.compress, lambda data: ValueCodec(bytes).encode(data)])
def test_nothing_that_is_read_is_run(ours: bool, wrap: Callable[[bytes], bytes]) -> None:
    ran.clear()
    data = pickle.dumps(Attack())
    if ours:
        level = MemoryLevel()
        run(level.write({"k": Stored(wrap(data), 60.0, 60.0)}))
        for kind in (str, object):
            cache: MultiLevelCache[str, Any] = MultiLevelCache(kind, levels=[level])
            assert cache.get("k") is None
            assert cache._report.counts["undecodable", "memory"] == 1
    else:
        PickledLevel(data).get("k")
    assert ran == ([] if ours else ["as told"])


# What one reader changes the next one gets


@beside_a_naive_one
def test_what_can_be_changed_is_copied_for_each_reader(ours: bool) -> None:
    cache: Any = MultiLevelCache(list[int]) if ours else NaiveCache()
    source = [1]
    cache.set("k", source)
    source.append(2)
    cache.get("k").append(3)
    cache.get_or_load("k", list).append(4)
    assert cache.get("k") == ([1] if ours else [1, 2, 3, 4])


@beside_a_naive_one
async def test_those_who_waited_together_share_no_value(ours: bool) -> None:
    cache, naive = MultiLevelCache(list[int]), NaiveFlights()
    ask: Any = cache.aget_or_load if ours else naive.by_a_task

    async def load() -> list[int]:
        return [1]

    one, other = await asyncio.gather(ask("k", load), ask("k", load))
    one.append(2)
    assert other == ([1] if ours else [1, 2])


def test_what_cannot_be_changed_is_shared() -> None:
    cache = MultiLevelCache(tuple[str, int])
    cache.set("k", ("a", 1))
    assert cache.get("k") is cache.get("k")


# None is taken for nothing (aiocache#452, #1033)


@beside_a_naive_one
def test_a_loaded_none_is_kept(ours: bool) -> None:
    calls: list[int] = []

    def load() -> None:
        calls.append(1)

    cache: Any = MultiLevelCache(int | None) if ours else NaiveCache()
    assert [cache.get_or_load("k", load) for _ in range(3)] == [None] * 3
    assert len(calls) == (1 if ours else 3)


def test_a_none_is_found_at_every_level_and_told_from_nothing() -> None:
    levels = [MemoryLevel()]
    one, other = (MultiLevelCache(int | None, levels=levels) for _ in range(2))  # type: ignore[arg-type]
    assert one.get_or_load("k", lambda: None) is None
    assert (other.get("k", 7), other.get("nothing", 7)) == (None, 7)
    assert other.get_many(["k", "nothing"]) == {"k": None}


# A key without its context hands out another tenant's data


@beside_a_naive_one
def test_calls_that_differ_never_share_a_result(ours: bool) -> None:
    def which(first: object, second: object = "") -> str:
        return f"{first!r}, {second!r}"

    keep = cached(60) if ours else naive_cached
    ask = keep(which)
    calls: list[tuple[Any, ...]] = [("a:b", "c"), ("a", "b:c"), (1,), ("1",), (True,), (1.0,), (b"1",), ((1, 2),)]
    wrong = [call for call in calls if ask(*call) != which(*call)]
    assert (wrong == []) == ours


@beside_a_naive_one
def test_methods_of_two_tenants_never_share_a_result(ours: bool) -> None:
    class Tenant:
        def __init__(self, name: str) -> None:
            self.name = name

        def _read(self, user_id: int) -> str:
            return f"{self.name} {user_id}"

        read = cached(60)(_read) if ours else KeyedByFirstArgument(_read)

    if ours:
        with pytest.raises(InvalidValue, match=r"got a .*Tenant") as caught:
            Tenant("one").read(1)
        assert "matter to the result" in str(caught.value.hint)
    else:
        assert [Tenant("one").read(1), Tenant("two").read(1)] == ["one 1"] * 2


# One invalidation looks at all entries, and only threads can use it (redis-py)


class Watched(str):
    """A key that counts how often it is looked at."""

    looks = 0
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        Watched.looks += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@beside_a_naive_one
def test_an_invalidation_costs_the_same_however_much_there_is(ours: bool) -> None:
    one, other = two(ours)
    for number in range(1000):
        key = Watched(f"k{number}")
        one.get_or_load(key, lambda: "value", *([EntryOptions()] if ours else []))
    Watched.looks = 0
    other.delete("k7")
    assert (Watched.looks < 20) == ours
    assert one.get("k7") is None
