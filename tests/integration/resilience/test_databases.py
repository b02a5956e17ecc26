"""Policies round transactions of SQLAlchemy and psycopg, in threads and event loops, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import create_engine, exc, text
from sqlalchemy.ext.asyncio import create_async_engine

from perfloop.exceptions import CallTimedOut, CircuitOpen, InvalidValue
from perfloop.resilience import Bulkhead, CircuitBreaker, ConstantBackoff, Deadline, Policy, Retry, Timeout
from perfloop.resilience.check import check, known_pools
from perfloop.resilience.integrations.answers import statement_timeout
from perfloop.resilience.integrations.psycopg import AsyncPolicyConnections, PolicyConnections
from perfloop.resilience.integrations.sqlalchemy import AsyncPolicyEngine, PolicyEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...servers.postgresql import PostgreSQL

Run = Any  # (policy, url, statement or error, **options) -> rows
SQL = "postgresql+psycopg://"


def statement(what: Any, connection: Any, asked: list[Any]) -> Any:
    """What each way does with its connection: a statement, or an error of the caller's own."""
    asked.append(what)
    if isinstance(what, Exception):
        raise what
    return connection.execute(what)


def by_psycopg(policy: Policy, url: str, what: Any, asked: list[Any], **options: Any) -> Any:
    connections = PolicyConnections(lambda: psycopg.connect(url), policy)
    return connections.run(lambda connection: statement(what, connection, asked).fetchone()[0], **options)


def by_async_psycopg(policy: Policy, url: str, what: Any, asked: list[Any], **options: Any) -> Any:
    async def main() -> Any:
        async def work(connection: Any) -> Any:
            return (await (await statement(what, connection, asked)).fetchone())[0]

        return await AsyncPolicyConnections(lambda: Connecting(url), policy).run(work, **options)

    return asyncio.run(main())


class Connecting:
    """A connection as a context manager: psycopg's `connect` is a coroutine."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> Any:
        self._connection = await psycopg.AsyncConnection.connect(self._url)
        return await self._connection.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        await self._connection.__aexit__(*error)


def by_sqlalchemy(policy: Policy, url: str, what: Any, asked: list[Any], **options: Any) -> Any:
    engine = create_engine(url.replace("postgresql://", SQL))
    try:
        what = text(what) if isinstance(what, str) else what
        run = PolicyEngine(engine, policy).run
        return run(lambda connection: statement(what, connection, asked).scalar_one(), **options)
    finally:
        engine.dispose()


def by_async_sqlalchemy(policy: Policy, url: str, what: Any, asked: list[Any], **options: Any) -> Any:
    async def main() -> Any:
        async def work(connection: Any) -> Any:
            return (await statement(text(what) if isinstance(what, str) else what, connection, asked)).scalar_one()

        engine = create_async_engine(url.replace("postgresql://", SQL))
        try:
            return await AsyncPolicyEngine(engine, policy).run(work, **options)
        finally:
            await engine.dispose()

    return asyncio.run(main())


@pytest.fixture(params=[by_psycopg, by_async_psycopg, by_sqlalchemy, by_async_sqlalchemy])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param


def policy(breaker: CircuitBreaker, attempts: int = 3) -> Policy:
    return Policy(Retry(attempts, idempotent=True, backoff=ConstantBackoff(0)), breaker, Timeout(20))


def test_a_transaction_is_a_call_in_the_policy(run: Run, postgresql: PostgreSQL) -> None:
    breaker = CircuitBreaker(9)
    assert run(policy(breaker), postgresql.url, "SELECT 40 + 2", []) == 42
    assert breaker.counts()["successful"] == 1


@pytest.mark.parametrize("what", ["SELECT 1 / 0", "SELECT nothing", ValueError("the caller's own")])
def test_errors_that_are_answers_are_raised_once_and_are_no_failures(
    run: Run, postgresql: PostgreSQL, what: Any
) -> None:
    breaker, asked = CircuitBreaker(1), []
    with pytest.raises((psycopg.Error, exc.DBAPIError, ValueError)):
        run(policy(breaker), postgresql.url, what, asked, idempotent=True)
    assert len(asked) == 1
    assert breaker.counts()["successful"] == 1


@pytest.mark.parametrize(("options", "attempts"), [({}, 1), ({"idempotent": True}, 3)])
def test_failures_are_repeated_where_that_is_said_to_be_fine(
    run: Run, postgresql: PostgreSQL, options: dict[str, bool], attempts: int
) -> None:
    breaker, asked = CircuitBreaker(3), []
    kill = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises((psycopg.OperationalError, exc.OperationalError)):
        run(policy(breaker), postgresql.url, kill, asked, **options)
    assert len(asked) == attempts
    assert breaker.counts()["failed"] == attempts


def test_a_database_that_is_away_opens_the_breaker(run: Run) -> None:
    breaker = CircuitBreaker(3)
    guarded = policy(breaker)
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises((psycopg.OperationalError, exc.OperationalError)):
        run(guarded, url, "SELECT 1", [], idempotent=True)
    with pytest.raises(CircuitOpen):
        run(guarded, url, "SELECT 1", [])


def test_a_statement_that_takes_too_long_ends(run: Run, postgresql: PostgreSQL) -> None:
    started = time.monotonic()
    with pytest.raises(CallTimedOut):
        run(Policy(Deadline(0.3)), postgresql.url, "SELECT 1 FROM pg_sleep(60)", [])
    assert time.monotonic() - started < 30  # the statement's own minute is not waited for


@pytest.mark.parametrize(("left", "told"), [(0.0004, 1), (0.0, 1), (2.5, 2500), (1e7, 2**31 - 1), (1e300, 2**31 - 1)])
def test_what_is_left_is_a_limit_that_postgresql_takes(left: float, told: int, postgresql: PostgreSQL) -> None:
    with psycopg.connect(postgresql.url) as connection:
        connection.execute("SELECT set_config('statement_timeout', %s, true)", [statement_timeout(left)])
        connection.rollback()
    assert int(statement_timeout(left)) == told


@pytest.mark.parametrize(("what", "failed"), [("SELECT nothing", 0), ("SELEC 1", 0), ("UPDATE things SET a = 2", 1)])
def test_sqlite_calls_wrong_statements_and_locks_by_one_name(what: str, failed: int, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'things'}", connect_args={"timeout": 0})
    breaker = CircuitBreaker(9)
    with engine.connect() as locking:
        locking.execute(text("CREATE TABLE things (a)"))
        locking.commit()
        locking.execute(text("INSERT INTO things VALUES (1)"))
        with pytest.raises(exc.OperationalError):
            PolicyEngine(engine, policy(breaker)).run(lambda connection: connection.execute(text(what)))
    assert breaker.counts()["failed"] == failed
    engine.dispose()


def test_the_pool_is_told_to_check() -> None:
    bulkhead = Policy(Bulkhead(50), Timeout(1), name="told-pool")
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", pool_size=5, max_overflow=7)
    PolicyEngine(engine, bulkhead)
    pool = next(pool for pool in known_pools() if pool.name == "told-pool")
    assert (pool.size, pool.guards) == (12, (bulkhead,))
    assert pool.made_at.startswith(__file__)
    assert [finding.rule for finding in check([bulkhead])] == ["bulkhead-larger-than-pool"]


@pytest.mark.parametrize("wrong", [7, Policy(Retry())])
def test_what_is_no_policy_for_this_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidValue, match=r"Policy|idempotent=True"):
        PolicyConnections(lambda: psycopg.connect(""), wrong)


@pytest.mark.parametrize("kind", [PolicyConnections, AsyncPolicyConnections])
def test_a_pool_where_its_connection_is_wanted_is_refused_at_once(kind: Any) -> None:
    with pytest.raises(InvalidValue, match="Expected a function that gives a connection, got 'object'") as caught:
        kind(object(), Policy(Retry(idempotent=True)))
    assert caught.value.hint == "of a pool give pool.connection"
