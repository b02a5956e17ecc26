"""The level in PostgreSQL: the rules, processes that are killed, a server that crashes, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from perfloop.caching.effects import run, run_async
from perfloop.caching.levels import LeaseState, Stored
from perfloop.caching.levels.postgresql import PostgreSQLLevel
from perfloop.exceptions import InvalidValue, LevelFailed
from perfloop.testing import LevelConformance
from tests.servers.postgresql import PostgreSQL, run_postgresql
from tests.unit.caching.levels.rules import Operation, SteppedClock, assert_agrees, operations

from .truth import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """One that may be crashed."""
    with run_postgresql() as cluster:
        yield cluster


@pytest.fixture(params=["message", "prepared"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"prepared": request.param == "prepared", "table": f"cache_{next(numbers)}", "timeout": 10}


def opened(server: PostgreSQL, **options: Any) -> contextlib.closing[PostgreSQLLevel]:
    return contextlib.closing(PostgreSQLLevel(server.url, **{"table": f"cache_{next(numbers)}", **options}))


@pytest.fixture
def direct(server: PostgreSQL) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        yield connection


class ServersClock(SteppedClock):
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute("CREATE TABLE IF NOT EXISTS test_clock (seconds float8); TRUNCATE test_clock")
        connection.execute("INSERT INTO test_clock VALUES (0)")
        self.seconds = 1_000.0

    @property
    def seconds(self) -> float:
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: float) -> None:
        self._seconds = seconds
        self._connection.execute("UPDATE test_clock SET seconds = %s", [seconds])


CLOCK = "(SELECT seconds FROM test_clock)"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(done=operations)
def test_it_answers_what_the_level_in_memory_does(
    server: PostgreSQL, direct: psycopg.Connection[Any], done: list[Operation]
) -> None:
    clock = ServersClock(direct)

    def tidy() -> None:
        level._is_due = True

    with opened(server, table="rules", namespace=f"\0{next(numbers)}", _now=CLOCK) as level:
        assert_agrees(level, clock, done, tidy)


class Passing(msgspec.Struct, frozen=True):
    """Moves the clock of the tables."""

    clock: ServersClock
    seconds: float

    def run(self) -> None:
        self.clock.seconds += self.seconds

    async def run_async(self) -> None:
        self.run()


@pytest.mark.parametrize("shell", [run, lambda program: asyncio.run(run_async(program))])
@pytest.mark.parametrize("check", LevelConformance.names)
def test_it_keeps_the_rules(server: PostgreSQL, direct: psycopg.Connection[Any], check: str, shell: Any) -> None:
    clock = ServersClock(direct)
    levels = contextlib.ExitStack()

    def make(namespace: str) -> PostgreSQLLevel:
        return levels.enter_context(opened(server, table="rules", namespace=namespace, _now=CLOCK))

    with levels:
        shell(LevelConformance(make, passing=lambda seconds: Passing(clock, seconds)).program(check))


def test_threads_and_event_loops(server: PostgreSQL, options: dict[str, Any]) -> None:
    async def main(level: PostgreSQLLevel) -> None:
        for _ in range(3):
            reads = [run_async(level.read([f"key {number}"])) for number in range(30)]
            assert [stored.data for [stored] in await asyncio.gather(*reads) if stored] == [b"x"] * 30
        await level.aclose()

    with opened(server, **options) as level:
        asyncio.run(run_async(level.write({f"key {number}": Stored(b"x", 60, 60) for number in range(30)})))
        asyncio.run(main(level))
        assert run(level.read(["key 1"])) != [None]


def test_no_reader_finds_what_was_removed_whoever_is_killed(server: PostgreSQL, tmp_path: Path) -> None:
    with started(f"postgresql:{server.url}", tmp_path / "processes") as processes:
        processes.wait_for_hits(200)
        for role in processes.roles:
            processes.kill(role)
            processes.start(role)
            processes.wait_for_hits(100)
        output = processes.output()
    assert "STALE" not in output
    assert "Traceback" not in output


def crash(connection: psycopg.Connection[Any]) -> None:
    """Kill one process of the server, so that all start anew and tables that are not logged are emptied."""
    with contextlib.suppress(psycopg.OperationalError):
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        connection.execute("SELECT 1")
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(connection.info.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def test_no_reader_finds_what_was_removed_though_the_server_crashes(server: PostgreSQL, tmp_path: Path) -> None:
    with started(f"postgresql:{server.url}", tmp_path / "processes") as processes:
        processes.wait_for_hits(100)
        crash(psycopg.connect(server.url))
        time.sleep(0.5)
        output = processes.output()
    assert "STALE" not in output
    assert "Traceback" not in output


def test_after_a_crash_all_is_held_for_as_long_as_anything_was(server: PostgreSQL, options: dict[str, Any]) -> None:
    with opened(server, **options) as level:
        run(level.write({"a": Stored(b"old", 60, 60)}))
        run(level.hold(["a"], [], "writer", 3_600))
        crash(psycopg.connect(server.url))
        assert run(level.read(["a"])) == [None]
        [lease] = run(level.lease(["a"], "1", 60))
        assert lease.state is LeaseState.HELD
        run(level.write({"a": Stored(b"old", 60, 60)}))
        assert run(level.read(["a"])) == [None]


def test_after_a_crash_all_goes_on_where_nothing_was_ever_held(server: PostgreSQL, options: dict[str, Any]) -> None:
    with opened(server, **options) as level:
        run(level.lease(["a"], "1", 60))
        crash(psycopg.connect(server.url))
        assert run(level.fill({"a": Stored(b"x", 60, 60)}, "1")) == [False], "its lease is gone, what voided it too"
        [lease] = run(level.lease(["a"], "2", 60))
        assert lease.state is LeaseState.GRANTED
        assert run(level.fill({"a": Stored(b"x", 60, 60)}, "2")) == [True]


def test_logged_tables_outlive_a_crash(server: PostgreSQL, options: dict[str, Any]) -> None:
    with opened(server, logged=True, **options) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        run(level.hold(["b"], [], "writer", 60))
        crash(psycopg.connect(server.url))
        assert run(level.read(["a"])) != [None]
        run(level.release(["b"], [], "writer"))
        [lease] = run(level.lease(["b"], "1", 60))
        assert lease.state is LeaseState.GRANTED


def test_a_lost_connection_is_made_again(
    server: PostgreSQL, direct: psycopg.Connection[Any], options: dict[str, Any]
) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'perfloop cache'"

    async def main(level: PostgreSQLLevel) -> None:
        await run_async(level.write({"a": Stored(b"x", 60, 60)}))
        direct.execute(end)
        assert await run_async(level.read(["a"])) != [None]
        await level.aclose()

    with opened(server, **options) as level:
        asyncio.run(main(level))
        run(level.delete(["a"]))
        direct.execute(end)
        assert run(level.read(["a"])) == [None]


@pytest.mark.parametrize("shell", [run, lambda program: asyncio.run(run_async(program))])
def test_a_server_that_is_slow(server: PostgreSQL, direct: psycopg.Connection[Any], shell: Any) -> None:
    with opened(server, table="slow", timeout=5) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
    with opened(server, table="slow", timeout=0.2) as level, direct.transaction():
        direct.execute("LOCK TABLE slow")
        with pytest.raises(LevelFailed, match=r"took longer than 0\.2 s \(postgresql at 127\.0\.0\.1:\d+/postgres\)"):
            shell(level.delete(["a"]))


@pytest.mark.parametrize("shell", [run, lambda program: asyncio.run(run_async(program))])
def test_a_server_that_does_not_answer_at_all(server: PostgreSQL, shell: Any) -> None:
    with opened(server, timeout=0.2) as level:
        run(level.read(["a"]))
        with level._server._pool.take() as connection:
            backend = connection.info.backend_pid
        level._server._loops.clear()
        os.kill(backend, signal.SIGSTOP)
        try:
            with pytest.raises(LevelFailed, match="does not answer"):
                run(level.read(["a"]))
        finally:
            os.kill(backend, signal.SIGCONT)
        assert shell(level.read(["a"])) == [None]


def test_nobody_listens_and_no_password_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"postgresql://user:s3cret@127.0.0.1:{probe.getsockname()[1]}/shop"
        with contextlib.closing(PostgreSQLLevel(url)) as level, pytest.raises(LevelFailed) as raised:
            run(level.read(["a"]))
    assert "cannot be reached" in str(raised.value)
    assert "s3cret" not in f"{raised.value}{raised.value.hint}"
    with pytest.raises(InvalidValue) as invalid:
        PostgreSQLLevel("postgresql://user:s3cret@ho st:port/x")
    assert "s3cret" not in f"{invalid.value}{invalid.value.hint}"


def test_a_user_who_may_not_make_tables(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    direct.execute("DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN")
    url = server.url.replace("perfloop@", "reader@")
    with contextlib.closing(PostgreSQLLevel(url, table="made_by_another")) as level:
        with pytest.raises(LevelFailed, match="refuses it to this user") as raised:
            run(level.read(["a"]))
        assert "made_by_another" in str(raised.value.hint)
        direct.execute(PostgreSQLLevel.schema("made_by_another"))
        direct.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO reader")
        run(level.write({"a": Stored(b"x", 60, 60)}))
        run(level.remove_tags(["t"]))
        assert run(level.read(["a"])) != [None]
    direct.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_a_server_that_only_reads(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    with opened(server, table="only_reads") as level:
        run(level.read(["a"]))
        direct.execute("ALTER ROLE perfloop SET default_transaction_read_only = on")
        try:
            with opened(server, table="only_reads") as other, pytest.raises(LevelFailed, match="only reads"):
                run(other.delete(["a"]))
        finally:
            direct.execute("ALTER ROLE perfloop RESET default_transaction_read_only")


def test_tables_of_somebody_else_and_of_another_version(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    direct.execute("CREATE TABLE theirs (mine text)")
    with opened(server, table="theirs") as level, pytest.raises(LevelFailed, match="Expected no table theirs"):
        run(level.read(["a"]))
    with opened(server, table="newer") as level:
        run(level.read(["a"]))
    direct.execute("UPDATE newer_about SET value = '99'")
    with opened(server, table="newer") as level, pytest.raises(LevelFailed, match="got '99'"):
        run(level.read(["a"]))


def test_tables_that_were_dropped_are_made_again(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    with opened(server, table="gone") as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        for table in ("", "_tags", "_holds", "_namespaces", "_known", "_about"):
            direct.execute(f"DROP TABLE gone{table}")
        with pytest.raises(LevelFailed, match="Expected the tables of gone"):
            run(level.read(["a"]))
        assert run(level.read(["a"])) == [None]


def test_processes_that_make_the_tables_at_once(server: PostgreSQL) -> None:
    levels = [PostgreSQLLevel(server.url, table="at_once", timeout=30) for _ in range(8)]
    answers: list[LeaseState] = []

    def lease(level: PostgreSQLLevel, token: str) -> None:
        answers.extend(lease.state for lease in run(level.lease(["a"], token, 60)))
        level.close()

    threads = [threading.Thread(target=lease, args=(level, str(each))) for each, level in enumerate(levels)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(state.value for state in answers) == ["busy"] * 7 + ["granted"]


def test_all_connections_are_in_use(server: PostgreSQL) -> None:
    with opened(server, connections=1, timeout=0.1) as level, level._server._pool.take():
        with pytest.raises(LevelFailed, match="All 1 connections were in use") as raised:
            run(level.read(["a"]))
        assert "connections" in str(raised.value.hint)


def test_a_child_has_connections_of_its_own(server: PostgreSQL) -> None:
    with opened(server) as level:
        run(level.lease(["a"], "parent", 60))
        child = os.fork()
        if child == 0:
            try:
                [lease] = run(level.lease(["a"], "child", 60))
                level.close()
                os._exit(0 if lease.state is LeaseState.BUSY else 1)
            finally:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
        assert run(level.fill({"a": Stored(b"x", 60, 60)}, "parent")) == [True]


def test_a_clock_put_back_lets_nothing_live_for_longer(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    clock = ServersClock(direct)
    with opened(server, _now=CLOCK) as level:
        run(level.write({"a": Stored(b"x", 60, 60)}))
        run(level.lease(["b"], "1", 60))
        run(level.hold(["c"], [], "writer", 60))
        clock.seconds -= 500
        assert run(level.read(["a"])) == [None]
        level._is_due = True
        run(level.write({"d": Stored(b"x", 60, 60)}))
        b, c = run(level.lease(["b", "c"], "2", 60))
        assert (b.state, c.state) == (LeaseState.GRANTED, LeaseState.HELD)
        clock.seconds += 61
        [c] = run(level.lease(["c"], "2", 60))
        assert c.state is LeaseState.GRANTED


def test_a_cancelled_task_leaves_the_level_usable(server: PostgreSQL, direct: psycopg.Connection[Any]) -> None:
    async def main(level: PostgreSQLLevel) -> None:
        await run_async(level.write({"a": Stored(b"x", 60, 60)}))
        with direct.transaction():
            direct.execute(f"LOCK TABLE {level._sql.table}")
            task = asyncio.create_task(run_async(level.delete(["a"])))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await run_async(level.delete(["a"]))
        assert await run_async(level.read(["a"])) == [None]
        await level.aclose()

    with opened(server, timeout=10, connections=1) as level:
        asyncio.run(main(level))
