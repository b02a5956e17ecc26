"""The level in a file: the rules, what may be a key, what grows, and what SQLite refuses."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from perfloop.caching import MultiLevelCache
from perfloop.caching.effects import run, run_async
from perfloop.caching.levels import SQLiteLevel, Stored
from perfloop.exceptions import InvalidValue, LevelFailed

from .rules import Operation, SteppedClock, assert_agrees, operations

if TYPE_CHECKING:
    from pathlib import Path

numbers = itertools.count()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(done=operations)
def test_it_answers_what_the_level_in_memory_does(tmp_path: Path, done: list[Operation]) -> None:
    clock = SteppedClock()
    level = SQLiteLevel(tmp_path / "cache.sqlite3", namespace=str(next(numbers)), clock=clock)

    def tidy() -> None:
        level._is_due = True

    with contextlib.closing(level):
        assert_agrees(level, clock, done, tidy)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite3"


def opened(path: Path, **options: Any) -> contextlib.closing[SQLiteLevel]:
    return contextlib.closing(SQLiteLevel(path, **{"timeout": 0.05, **options}))


def test_a_key_may_be_anything(path: Path) -> None:
    keys = [
        "",
        "\0",
        "a\0",
        "a",
        "\ud800",
        "é",
        "e\u0301",
        "k" * 10_000,
        "k" * 9_999 + "l",
        "'; DROP TABLE perfloop_cache",
    ]
    with opened(path) as level:
        run(level.write({key: Stored(key.encode("utf-8", "surrogatepass"), 60, 60) for key in keys}))
        for key, stored in zip(keys, run(level.read(keys)), strict=True):
            assert stored is not None
            assert stored.data == key.encode("utf-8", "surrogatepass")


def test_a_value_may_be_anything_and_last_for_ever(path: Path) -> None:
    with opened(path) as level:
        run(level.write({"none": Stored(b"", math.inf, math.inf), "large": Stored(bytes(3 << 20), 1, 2)}))
        empty, large = run(level.read(["none", "large"]))
        assert empty == Stored(b"", math.inf, math.inf)
        assert large is not None
        assert large.data == bytes(3 << 20)


def test_namespaces_and_tables_do_not_meet(path: Path) -> None:
    with opened(path, namespace="a") as a, opened(path, namespace="ab") as ab, opened(path, table="other") as other:
        for level, key in ((a, "bk"), (ab, "k"), (other, "bk")):
            run(level.write({key: Stored(level.name.encode(), 60, 60, ("t",))}))
        assert run(a.read(["k"])) == run(ab.read(["bk"])) == [None]
        run(a.clear())
        run(ab.remove_tags(["u"]))
        assert run(a.read(["bk"])) == [None]
        assert run(ab.read(["k"])) != [None]
        assert run(other.read(["bk"])) != [None]


def rows(path: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute(f"SELECT COUNT(*) FROM perfloop_cache{table}").fetchone()[0]
        return count


def test_what_has_ended_is_forgotten(path: Path) -> None:
    clock = SteppedClock()
    with opened(path, clock=clock) as level:
        for number in range(300):
            run(level.lease([f"lease {number}"], "1", 5))
            run(level.write({f"key {number}": Stored(b"x", 5, 10, ("t",))}))
            run(level.hold([], [f"tag {number}"], "1", 5))
        clock.seconds += 12
        for _ in range(1000):
            run(level.write({"other": Stored(b"x", 1, 1)}))
        assert rows(path, "_holds") == 0, "the leases given while they lasted are over"
        assert rows(path, "_tags") == 300, "an entry of before may still be there"
        clock.seconds += 20
        for _ in range(1000):
            run(level.write({"other": Stored(b"x", 1, 1)}))
        assert rows(path, "") == 1
        assert rows(path, "_tags") == 0


@pytest.mark.parametrize("bound", [{"max_entries": 500}, {"max_bytes": 1 << 20}])
def test_it_stays_within_its_bound_and_keeps_what_lasts_longest(path: Path, bound: dict[str, int]) -> None:
    with opened(path, **bound) as level:
        for number in range(2000):
            run(level.write({f"key {number}": Stored(bytes(1000), 60 + number, 60 + number)}))
        assert run(level.read(["key 1999"])) != [None]
        assert run(level.read(["key 0"])) == [None]
    if "max_entries" in bound:
        assert 400 <= rows(path, "") <= 500 + 128
    else:
        assert path.stat().st_size <= 1.5 * (1 << 20)
        assert 1000 * rows(path, "") >= 0.5 * (1 << 20)


def test_a_lock_held_by_somebody_is_told(path: Path) -> None:
    with opened(path) as level, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(
            LevelFailed, match=r"was locked for longer than 0\.05 s by another thread of this process"
        ) as raised:
            run(level.delete(["a"]))
        assert str(path) in str(raised.value)
        assert raised.value.hint
        assert run(level.read(["a"])) != [None], "readers wait for nobody"
        other.execute("ROLLBACK")
        run(level.delete(["a"]))
        assert run(level.read(["a"])) == [None]


@pytest.mark.parametrize(
    ("pragma", "message", "left"),
    [("query_only = 1", "cannot be written to", b"x"), ("max_page_count = 30", "disk is full", None)],
)
def test_a_full_disk_or_a_file_that_cannot_be_written(
    path: Path, pragma: str, message: str, left: bytes | None
) -> None:
    with opened(path) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        with level._file._pool.take() as connection:
            connection.execute(f"PRAGMA {pragma}")
        with pytest.raises(LevelFailed, match=message):
            run(level.write({"a": Stored(bytes(1 << 20), 60, 60)}))
        [stored] = run(level.read(["a"]))
        assert (stored and stored.data) == left  # what is to be replaced goes first, if anything can


def test_a_file_that_is_none_of_sqlite(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)
    with opened(path) as level, pytest.raises(LevelFailed, match="Expected a file of SQLite"):
        run(level.read(["a"]))


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with opened(tmp_path / "no" / "cache.sqlite3") as level, pytest.raises(LevelFailed, match="cannot be opened"):
        run(level.read(["a"]))


@pytest.mark.parametrize(("column", "value"), [("data", "text"), ("data", 10**12), ("tags", b"\xc1"), ("tags", "{")])
def test_what_is_no_entry_of_ours_is_a_miss(path: Path, column: str, value: object) -> None:
    with opened(path) as level:
        cache: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level])
        other: MultiLevelCache[str, str] = MultiLevelCache(str, levels=[level])
        cache.set("key", "value")
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"UPDATE perfloop_cache SET {column} = ?", (value,))
        assert cache.get("key") is None
        assert cache.get_or_load("key", lambda: "new") == "new"
        assert other.get("key") == "new"


def test_somebody_elses_table_is_left_alone(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE perfloop_cache (mine TEXT)")
        with opened(path) as level, pytest.raises(LevelFailed, match="Expected no table perfloop_cache"):
            run(level.read(["a"]))
        assert other.execute("SELECT * FROM perfloop_cache").fetchall() == []


def test_another_versions_table_is_left_alone(path: Path) -> None:
    with opened(path) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE perfloop_cache_about SET value = '99' WHERE name = 'version'")
    with opened(path) as level, pytest.raises(LevelFailed, match="got '99'"):
        run(level.read(["a"]))


def test_a_table_that_was_dropped_is_made_again(path: Path) -> None:
    with opened(path) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        with contextlib.closing(sqlite3.connect(path)) as other, other:
            for table in ("", "_tags", "_holds", "_namespaces", "_known", "_about"):
                other.execute(f"DROP TABLE perfloop_cache{table}")
        with pytest.raises(LevelFailed, match="no such table"):
            run(level.read(["a"]))
        assert run(level.read(["a"])) == [None]


def test_a_file_that_was_removed_is_used_no_longer(path: Path) -> None:
    with opened(path) as level, opened(path) as other:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        for each in path.parent.iterdir():
            each.unlink()
        run(other.write({"a": Stored(b"y", 60, 60)}))
        [stored] = run(level.read(["a"]))
        assert stored is not None
        assert stored.data == b"y"


def test_nothing_of_before_the_host_was_started_is_left(path: Path) -> None:
    with opened(path) as level:
        run(level.write({"a": Stored(b"x", math.inf, math.inf)}))
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE perfloop_cache_about SET value = 'another' WHERE name = 'boot'")
    with opened(path) as level:
        assert run(level.read(["a"])) == [None]


def test_only_its_owner_reads_the_file(path: Path) -> None:
    with opened(path) as level:
        run(level.read(["a"]))
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("table", ["", "Cache", "a b", 'x"; --', "t" * 41, "schema."])
def test_a_name_that_is_none_for_a_table(path: Path, table: str) -> None:
    with pytest.raises(InvalidValue, match="table's name"):
        SQLiteLevel(path, table=table)


def test_two_event_loops_and_a_thread(path: Path) -> None:
    with opened(path) as level:
        asyncio.run(run_async(level.write({"a": Stored(b"x", 60, 60)})))
        assert asyncio.run(run_async(level.read(["a"]))) != [None]
        assert run(level.read(["a"])) != [None]


def test_a_cancelled_change_is_done_or_not(path: Path) -> None:
    with opened(path, timeout=5) as level, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        run(level.write({"a": Stored(b"x", 60, 60), "b": Stored(b"x", 60, 60)}))

        async def main() -> None:
            other.execute("BEGIN IMMEDIATE")
            task = asyncio.create_task(run_async(level.delete(["a", "b"])))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            other.execute("ROLLBACK")
            a, b = await run_async(level.read(["a", "b"]))
            assert (a is None) == (b is None)

        asyncio.run(main())


class _Slow(SteppedClock):
    """Once, whoever asks for the time in a transaction waits for a fork that begins."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.forking = threading.Event(), threading.Event()

    def now(self) -> float:
        if not self.asked.is_set():
            self.asked.set()
            self.forking.wait(30)
        return super().now()


def test_a_child_forked_while_a_thread_writes_can_write(path: Path) -> None:
    clock = SteppedClock()
    with opened(path, clock=clock) as level:
        run(level.write({"key": Stored(b"", 60, 60)}))
    slow = _Slow()
    with opened(path, clock=slow) as level:
        os.register_at_fork(before=slow.forking.set)
        writer = threading.Thread(target=run, args=(level.write({"key": Stored(b"", 60, 60)}),))
        writer.start()
        assert slow.asked.wait(30)
        child = os.fork()
        if child == 0:  # pragma: no cover
            try:
                run(level.delete(["key"]))
                os._exit(0)
            finally:
                os._exit(1)
        writer.join()
        assert os.waitpid(child, 0)[1] == 0
