"""What somebody leaves behind who is cancelled, dies, or is forked in the middle: nobody waits for it for ever, and no
change is forgotten."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching import EntryOptions, Invalidation, MemoryLevel, MultiLevelCache
from perfloop.caching.effects import run
from perfloop.caching.flights import Flights
from perfloop.caching.levels import LeaseState, Stored
from perfloop.caching.limits import LoadLimit
from perfloop.caching.local import Entry, LocalLevel
from perfloop.caching.shared import SharedLevel, SimpleBreaker
from perfloop.caching.stores import LRUStore
from perfloop.exceptions import ReentrantLoad

if TYPE_CHECKING:
    from perfloop.caching.effects import Program


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds


def entry(value: int = 1, tags: tuple[str, ...] = ()) -> Entry:
    return Entry(value, deadline=1e9, fresh_until=1e9, kept_until=1e9, tags=tags)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def local(time: Time) -> LocalLevel:
    return LocalLevel(LRUStore(max_entries=10), clock=time)


@pytest.mark.parametrize(("keys", "tags"), [(["k"], []), ([], ["t"])])
def test_what_was_looked_up_during_a_hold_is_not_kept_after_it(
    local: LocalLevel, time: Time, keys: list[str], tags: list[str]
) -> None:
    local.hold(keys, tags, "dead", 30)
    fence = local.begin("k")
    time.seconds += 31
    assert not local.keep(fence, entry(tags=("t",)))
    assert local.keep(local.begin("k"), entry(tags=("t",)))


def test_what_was_looked_up_during_the_hold_of_a_tag_is_not_filled_in_after_it(time: Time) -> None:
    level = MemoryLevel(clock=time)
    run(level.hold([], ["t"], "dead", 30))
    time.seconds += 5
    assert run(level.lease(["k"], "mine", 30))[0].state is LeaseState.GRANTED
    time.seconds += 26
    assert run(level.fill({"k": Stored(b"old", 60, 60, ("t",))}, "mine")) == [False]


def test_a_look_up_that_has_ended_keeps_nothing(local: LocalLevel) -> None:
    fence = local.begin("k")
    local.end(fence)
    assert not local.keep(fence, entry())


def make(**how: Any) -> MultiLevelCache[str, int]:
    return MultiLevelCache(int, **how)


class Cut(BaseException):
    """As KeyboardInterrupt comes: anywhere."""


class Line:
    """A backplane whose first message is cut off."""

    name = "line"

    def __init__(self) -> None:
        self.heard: list[Invalidation] = []
        self.cuts = 1

    def listen(self, on_message: Any, on_gap: Any, on_deaf: Any) -> None:
        on_gap()

    def publish(self, invalidation: Invalidation) -> Program[None]:
        if self.cuts:
            self.cuts -= 1
            raise Cut
        self.heard.append(invalidation)
        return
        yield

    def close(self) -> None: ...


def test_a_set_that_was_cut_off_is_told_to_all_levels(time: Time) -> None:
    upper, lower = MemoryLevel("upper", clock=time), MemoryLevel("lower", clock=time)
    cache = make(levels=[upper, lower], clock=time)
    cache.set("k", 1)
    cache.get_or_load("k", lambda: 0)
    program = cache._core.set({"k": 2}, EntryOptions())
    effect = next(program)
    for _ in range(2):
        effect = program.send(effect.run())  # written below, about to be told above
    with pytest.raises(Cut):
        program.throw(Cut)
    assert cache.get("k") == 2


class SlowToHold(MemoryLevel):
    """One whose holds begin only when they may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    def hold(self, *arguments: Any) -> Program[None]:
        yield Until(self.asked, self.may)
        yield from super().hold(*arguments)


class Until:
    def __init__(self, asked: asyncio.Event, may: asyncio.Event) -> None:
        self.asked, self.may = asked, may

    def run(self) -> None: ...

    async def run_async(self) -> None:
        self.asked.set()
        await self.may.wait()


async def test_a_block_that_is_cancelled_while_it_begins_to_hold_leaves_no_hold() -> None:
    level = SlowToHold()
    cache = make(levels=[level])

    async def write() -> None:
        async with cache.awriting("k", tags=["t"]):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(write())
    await level.asked.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # even twice
    with pytest.raises(asyncio.CancelledError):
        await task
    level.may.set()
    await asyncio.gather(*cache._core.tasks)
    assert run(level.lease(["k"], "mine", 30))[0].state is LeaseState.GRANTED
    assert run(level.fill({"k": Stored(b"", 60, 60, ("t",))}, "mine")) == [True]


def test_a_change_in_a_loop_that_ends_at_once_is_not_forgotten() -> None:
    level = MemoryLevel()
    cache = make(levels=[level])
    cache.set("k", 1)

    async def change() -> None:
        task = asyncio.create_task(cache.adelete("k"))
        await asyncio.sleep(0)
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(change())
    assert cache.get("k") is None
    cache.close()
    assert run(level.read(["k"])) == [None]


def test_many_readers_of_a_stale_value_have_it_loaded_once(time: Time) -> None:
    cache, go, calls = make(clock=time), threading.Event(), []
    options = EntryOptions(ttl=10, jitter=0, stale_while_revalidate=60)

    def load() -> int:
        calls.append(1)
        go.wait(10)
        return 2

    cache.get_or_load("k", lambda: 1, options)
    time.seconds += 11
    try:
        assert [cache.get_or_load("k", load, options) for _ in range(5)] == [1] * 5
    finally:
        go.set()
        for thread in list(cache._core.tasks):
            thread.join(10)
    assert len(calls) == 1


def test_loaders_that_wait_for_each_other_are_told_so() -> None:
    cache, both = make(), threading.Barrier(2)
    errors: list[BaseException] = []

    def load(other: str) -> int:
        both.wait(10)
        return cache.get_or_load(other, lambda: 7)

    def ask(key: str, other: str) -> None:
        try:
            cache.get_or_load(key, lambda: load(other))
        except ReentrantLoad as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=names, daemon=True) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert errors


def test_a_loader_that_asks_for_another_key_needs_no_second_turn() -> None:
    cache = make(max_loads=1)
    assert cache.get_or_load("a", lambda: cache.get_or_load("b", lambda: 1) + 1) == 2


async def test_a_loader_that_says_it_was_cancelled_is_not_called_for_ever() -> None:
    cache = make()

    async def load() -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await cache.aget_or_load("k", load)


async def test_a_look_up_cancelled_before_its_first_step_leaves_nothing() -> None:
    cache = make()
    task = asyncio.create_task(cache.aget_or_load("k", lambda: 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(5):
        await asyncio.sleep(0)
    assert not cache._local._fences


def test_no_thread_to_be_had_is_told_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, options = make(), EntryOptions(hard_timeout=5)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            cache.get_or_load("k", lambda: 1, options)
    assert not cache._local._fences
    assert cache.get_or_load("k", lambda: 1, options) == 1


def test_a_child_does_not_wait_for_its_parents_loaders(local: LocalLevel, time: Time) -> None:
    limit, flights = LoadLimit(1), Flights(local)
    run(limit.enter())
    flights.join("k")
    shared = SharedLevel(MemoryLevel(clock=time), SimpleBreaker(time), report=lambda name, error: None)
    shared.told_late = lambda missed: iter(())  # type: ignore[assignment,return-value]
    shared.miss(Invalidation(("k",)))
    next(shared.ask(lambda level: level.read(["k"])))  # somebody is telling it what it missed
    child = os.fork()
    if child == 0:
        limit.begin_in_fork()
        shared.begin_in_fork()
        good = limit.running == 0 and flights.join("k")[1] and shared.missed.keys == {"k"}
        good = good and run(shared.ask(lambda level: level.read(["k"]))) == [None]
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0


class Steps:
    """A backplane whose messages take a step each."""

    name = "steps"

    def __init__(self) -> None:
        self.said: list[Invalidation] = []

    def listen(self, on_message: Any, on_gap: Any, on_deaf: Any) -> None: ...
    def close(self) -> None: ...

    def publish(self, invalidation: Invalidation) -> Program[None]:
        yield invalidation  # type: ignore[misc]
        self.said.append(invalidation)


def test_who_changes_something_goes_on_when_it_is_said_whoever_says_other_things_meanwhile() -> None:
    backplane = Steps()
    core = MultiLevelCache(int, backplane=backplane)._core
    cancelled = core.delete(["before"])
    next(cancelled)
    cancelled.close()
    writer, reader = core.hold(["k"], [], "writer", 30.0), core.get(["other"], EntryOptions())
    next(writer)
    for each in (reader, writer):
        for _ in each:
            pass
    assert [message.keys for message in backplane.said] == [("before",), ("k",)]
    assert not core.outbox


def test_what_was_looked_up_when_a_process_forked_is_not_in_its_child() -> None:
    cache = MultiLevelCache(int)
    begun, may_end = threading.Event(), threading.Event()

    def load() -> int:
        begun.set()
        may_end.wait()
        return 1

    def loaded_on_both_sides() -> int:
        """A child that ends with 0 where nothing is left of what its parent had under way, nor kept of it."""
        child = os.fork()
        if child == 0:
            os._exit(len(cache._local._fences))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    other = threading.Thread(target=cache.get_or_load, args=("a", load))
    other.start()
    begun.wait()
    assert cache.get_or_load("b", loaded_on_both_sides) == 0
    may_end.set()
    other.join()
    assert (cache.get("a"), cache.get("b")) == (1, 0)
