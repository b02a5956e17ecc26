"""What a level has missed is told to it though nobody asks any more: by the process that changed it, or by another."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.caching import EntryOptions, LeaseState, Level, MemoryLevel, MultiLevelCache, outbox
from perfloop.caching.effects import run
from perfloop.caching.levels import SQLiteLevel
from perfloop.caching.shared import SimpleBreaker
from perfloop.clock import MONOTONIC
from perfloop.exceptions import LevelFailed

from .staged import Party
from .test_lost_ends import Cut, Line
from .test_policies import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from perfloop.caching.effects import Program

PATIENCE = 30.0
OPTIONS = EntryOptions(ttl=1000, jitter=0, tags=("tag",))


class Door:
    """A level as one process reaches it, or does not."""

    def __init__(self, level: Level) -> None:
        self.name = level.name
        self.level = level
        self.shut = False
        self.tried = 0

    def __getattr__(self, method: str) -> Any:
        def ask(*arguments: Any, **named: Any) -> Program[Any]:
            self.tried += 1
            if self.shut:
                raise LevelFailed("the door is shut")
            return (yield from getattr(self.level, method)(*arguments, **named))

        return ask


class Never:
    """A breaker that lets nobody through once it has seen a failure."""

    def __init__(self, _: Level) -> None:
        self._broken = False

    def allows(self) -> bool:
        return not self._broken

    def succeeded(self) -> None: ...

    def failed(self) -> None:
        self._broken = True


def soon(_: Level) -> SimpleBreaker:
    return SimpleBreaker(MONOTONIC, reset_timeout=0.01)


def make(**how: Any) -> MultiLevelCache[str, int]:
    return MultiLevelCache(int, options=OPTIONS, **how)


@pytest.fixture
def level() -> MemoryLevel:
    return MemoryLevel()


@pytest.fixture
def door(level: MemoryLevel) -> Door:
    return Door(level)


@pytest.fixture
def cache(door: Door) -> Iterator[MultiLevelCache[str, int]]:
    cache = make(levels=[door], breaker=soon)
    yield cache
    cache.close()
    assert cache._recovery._worker is None


def recovered(cache: MultiLevelCache[str, int]) -> None:
    """Wait until its worker has ended, without asking it anything."""
    worker = cache._recovery._worker
    if worker is not None:
        worker.join(PATIENCE)
        assert not worker.is_alive()


@pytest.mark.parametrize(
    "change",
    [
        lambda cache: cache.delete("k"),
        lambda cache: cache.remove_tags("tag"),
        lambda cache: cache.clear(),
        lambda cache: cache.set("k", 2),
        lambda cache: cache.expire("k"),
    ],
)
def test_an_idle_process_tells_what_was_missed(
    cache: MultiLevelCache[str, int], door: Door, level: MemoryLevel, change: Any
) -> None:
    cache.set("k", 1)
    door.shut = True
    change(cache)
    door.shut = False
    recovered(cache)
    assert run(level.read(["k"])) == [None]


def test_an_event_loop_that_does_nothing_more_has_it_told(
    cache: MultiLevelCache[str, int], door: Door, level: MemoryLevel
) -> None:
    async def change() -> None:
        await cache.aset("k", 1)
        door.shut = True
        await cache.adelete("k")

    asyncio.run(change())
    assert run(level.read(["k"])) != [None]
    door.shut = False
    recovered(cache)
    assert run(level.read(["k"])) == [None]


def test_what_was_cancelled_is_told(cache: MultiLevelCache[str, int], level: MemoryLevel) -> None:
    cache.set("k", 1)
    program = cache._core.delete(["k"])
    next(program)
    with pytest.raises(asyncio.CancelledError):
        program.throw(asyncio.CancelledError)
    recovered(cache)
    assert run(level.read(["k"])) == [None]


def test_a_message_that_was_cut_off_is_sent() -> None:
    line = Line()
    cache = make(backplane=line)
    with pytest.raises(Cut):
        cache.delete("k")
    recovered(cache)
    assert [message.keys for message in line.heard] == [("k",)]


def test_it_keeps_the_pace_of_the_breaker_and_close_tries_once_more(door: Door, level: MemoryLevel) -> None:
    cache = make(levels=[door], breaker=Never)
    cache.set("k", 1)
    door.shut = True
    cache.delete("k")
    tried, door.shut = door.tried, False
    assert cache._recovery._worker is not None
    assert door.tried == tried
    cache.close()
    assert cache._recovery._worker is None
    assert run(level.read(["k"])) == [None]


def test_close_leaves_nothing_behind_though_the_level_is_still_gone(door: Door) -> None:
    cache = make(levels=[door], breaker=Never)
    door.shut = True
    cache.delete("k")
    worker = cache._recovery._worker
    assert worker is not None
    cache.close()
    assert not worker.is_alive()
    assert cache._core.levels[0].missed.keys == {"k"}  # should somebody still ask
    cache.delete("other")
    assert cache._recovery._worker not in {None, worker}
    door.shut = False
    cache.close()
    assert not cache._core.is_behind


def test_what_one_cannot_tell_a_level_the_others_tell(level: MemoryLevel) -> None:
    lines: list[Party] = []
    doors = [Door(level), Door(level)]
    one, other = (make(levels=[door], backplane=Party(lines), breaker=Never) for door in doors)
    one.set("k", 1)
    assert other.get("k") == 1
    doors[0].shut = True
    one.delete("k")  # and then it dies
    recovered(other)
    assert run(level.read(["k"])) == [None]
    one.close()


def test_who_was_cut_off_when_it_was_said_is_told_again(level: MemoryLevel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_SAID_AGAIN_EVERY", 0.01)
    lines: list[Party] = []
    doors = [Door(level), Door(level)]
    one, other = (make(levels=[door], backplane=Party(lines), breaker=soon) for door in doors)
    one.set("k", 1)
    assert other.get("k") == 1
    doors[0].shut = True
    cut_off = lines.pop()
    one.delete("k")
    assert run(level.read(["k"])) != [None]
    lines.append(cut_off)
    eventually(lambda: run(level.read(["k"])) == [None])
    recovered(other)
    doors[0].shut = False
    one.close()


def test_a_level_that_missed_a_hold_holds_for_as_long_as_is_left(
    cache: MultiLevelCache[str, int], door: Door, level: MemoryLevel
) -> None:
    def state(token: str) -> LeaseState:
        return run(level.lease(["k"], token, 30))[0].state

    door.shut = True
    with cache.writing("k"):
        door.shut = False
        recovered(cache)
        assert state("one") is LeaseState.HELD
    assert state("two") is LeaseState.GRANTED
    door.shut = True
    with cache.writing("other", "k"):
        pass
    door.shut = False
    recovered(cache)
    assert state("three") is LeaseState.GRANTED


def test_a_child_begins_a_worker_of_its_own(cache: MultiLevelCache[str, int], door: Door) -> None:
    door.shut = True
    cache.delete("k")
    assert cache._recovery._worker is not None
    child = os.fork()
    if child == 0:
        good = cache._recovery._worker is None and cache._core.levels[0].missed.keys == {"k"}
        cache.delete("of the child")
        good = good and cache._recovery._worker is not None
        door.shut = False
        recovered(cache)
        os._exit(0 if good and not cache._core.is_behind else 1)
    assert os.waitpid(child, 0)[1] == 0
    door.shut = False


def change_and_end(path: str) -> None:
    """What a process does that ends as soon as it has changed something."""
    door = Door(SQLiteLevel(path))
    cache = make(levels=[door], breaker=Never)
    cache.set("k", 1)
    door.shut = True
    cache.delete("k")
    door.shut = False


def as_a_program(path: str) -> None:
    program = f"from tests.unit.caching.test_recovery import change_and_end as end; end({path!r})"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=PATIENCE)


def as_a_worker(path: str) -> None:
    process = multiprocessing.get_context("fork").Process(target=change_and_end, args=(path,))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0


@pytest.mark.parametrize("carry_out", [as_a_program, as_a_worker])
def test_an_orderly_end_of_the_process_tries_once_more(tmp_path: Path, carry_out: Callable[[str], None]) -> None:
    path = str(tmp_path / "cache.sqlite3")
    carry_out(path)
    level = SQLiteLevel(path)
    assert run(level.read(["k"])) == [None]
    level.close()
