"""Statements through psycopg, asyncpg, SQLAlchemy and Django on a real PostgreSQL: once each, at the user's line."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import psycopg
import pytest

from .conftest import get, of_route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.monitoring import Observations, RequestTrace, Service

    from ...servers import PostgreSQL

    Start = Callable[..., Service]

UVICORN = ("--port", "0", "--log-level", "warning")
ITEMS = "SELECT * FROM item WHERE order_id = ?"
LAZY = "FROM item WHERE ? = item.order_id"
DJANGO = 'SELECT "item"."id"'


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    """60 purchases with 10 items each, and an empty table to write to."""
    with psycopg.connect(postgresql.url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE purchase (id serial PRIMARY KEY);"
            "CREATE TABLE item (id serial PRIMARY KEY, order_id int NOT NULL, name text NOT NULL DEFAULT '');"
            "CREATE TABLE note (id serial PRIMARY KEY, text text);"
            "INSERT INTO purchase SELECT generate_series(1, 60);"
            "INSERT INTO item (order_id) SELECT number % 60 + 1 FROM generate_series(1, 600) number"
        )
        yield postgresql.url
        connection.execute("DROP TABLE item, purchase, note")


def ran(observations: Observations, request: RequestTrace) -> Counter[tuple[str, str, int]]:
    """How often the request issued (fingerprint, innermost user function, rows)."""
    return Counter(
        (
            observations.statements[call.statement],
            observations.sites[call.site][0].function if observations.sites[call.site] else "",
            call.rows,
        )
        for call in request.statements
    )


def lazy(found: Counter[tuple[str, str, int]]) -> dict[tuple[str, int], int]:
    """(user function, rows) and how often, of the statements that load a relationship."""
    return {(function, rows): count for (sql, function, rows), count in found.items() if sql.endswith(LAZY)}


async def test_psycopg(service: Start, url: str) -> None:
    async with service("uvicorn", "postgresql_app:app", *UVICORN, env={"TEST_POSTGRESQL": url}) as running:
        answers = await get(running, "/psycopg", "/psycopg-autocommit", "/psycopg-broken", "/psycopg-async")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 4
    blocking = of_route(observations, "/psycopg")
    assert ran(observations, blocking) == {
        (ITEMS, "with_psycopg", 10): 3,
        ("SAVEPOINT", "with_psycopg", 0): 1,
        ("INSERT INTO note (text) VALUES (?)", "with_psycopg", 2): 1,
        ("RELEASE SAVEPOINT", "with_psycopg", 0): 1,
        ('SELECT "name" FROM item WHERE id < ?', "with_psycopg", 2): 1,
        ("SELECT id FROM item", "with_psycopg", 0): 1,
        ("COMMIT", "with_psycopg", 0): 1,
    }
    calls = [call for call in blocking.statements if observations.statements[call.statement] == ITEMS]
    assert len({call.site for call in calls}) == 1
    assert not any(call.on_loop for call in calls)
    assert blocking.parts["database"] >= sum(call.duration for call in blocking.statements) * 0.9
    assert ran(observations, of_route(observations, "/psycopg-autocommit")) == {
        ("INSERT INTO note (text) VALUES (?)", "with_psycopg_autocommit", 1): 1,
        ("BEGIN", "with_psycopg_autocommit", 0): 1,
        ("SAVEPOINT", "with_psycopg_autocommit", 0): 1,
        ("UPDATE note SET text = ? WHERE text = ?", "with_psycopg_autocommit", 1): 1,
        ("RELEASE SAVEPOINT", "with_psycopg_autocommit", 0): 1,
        ("COMMIT", "with_psycopg_autocommit", 0): 1,
    }
    assert ran(observations, of_route(observations, "/psycopg-broken")) == {
        ("SELECT broken FROM item", "with_psycopg_broken", 0): 1,
        ("ROLLBACK", "with_psycopg_broken", 0): 1,
    }
    awaited = of_route(observations, "/psycopg-async")
    assert ran(observations, awaited) == {
        (ITEMS, "with_psycopg_async", 10): 3,
        ("SELECT pg_sleep(?)", "with_psycopg_async", 1): 1,
        ("COMMIT", "with_psycopg_async", 0): 1,
    }
    # A wait, during which the loop did other things: none of it is this request's own code.
    assert awaited.parts["database"] >= 0.045
    assert not any(call.on_loop for call in awaited.statements)
    # Of /psycopg one, of /psycopg-autocommit two, of /psycopg-async one.
    assert max(sample.commits for sample in observations.resources) == 4


async def test_asyncpg(service: Start, url: str) -> None:
    async with service("uvicorn", "postgresql_app:app", *UVICORN, env={"TEST_POSTGRESQL": url}) as running:
        answers = await get(running, "/asyncpg", "/asyncpg-tasks")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 2
    request = of_route(observations, "/asyncpg")
    found = {what: count for what, count in ran(observations, request).items() if "pg_advisory" not in what[0]}
    assert found == {
        (ITEMS, "with_asyncpg", 10): 3,
        ("BEGIN", "with_asyncpg", 0): 1,
        ("INSERT INTO note (text) VALUES (?)", "with_asyncpg", 1): 1,
        ("INSERT INTO note (text) VALUES (?)", "with_asyncpg", 2): 1,
        ("SELECT id FROM item WHERE order_id < ?", "with_asyncpg", 20): 1,
        ("COMMIT", "with_asyncpg", 0): 1,
        ("SELECT name FROM item WHERE id = ?", "with_asyncpg", 1): 1,
        ("SELECT pg_sleep(?)", "with_asyncpg", 1): 1,
    }
    assert request.parts["database"] >= 0.045
    tasks = of_route(observations, "/asyncpg-tasks")
    found = {what: count for what, count in ran(observations, tasks).items() if what[0].startswith("SELECT pg_sleep")}
    assert list(found.values()) == [3]
    # One connection: two of the three wait for the pool while one waits for the database, which comes first.
    assert 0.05 <= tasks.parts["database"] <= tasks.ended - tasks.started


async def test_sqlalchemy(service: Start, url: str) -> None:
    async with service("uvicorn", "postgresql_app:app", *UVICORN, env={"TEST_POSTGRESQL": url}) as running:
        answers = await get(running, "/orm", "/orm-psycopg-async", "/orm-asyncpg")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 3
    assert answers[0][1] == b"[10,10,10]"
    sync = of_route(observations, "/orm")
    assert lazy(ran(observations, sync)) == {(_comprehension("with_orm"), 10): 3}
    for route in ("/orm-psycopg-async", "/orm-asyncpg"):
        found = ran(observations, of_route(observations, route))
        assert lazy(found) == {("lazily", 10): 3}
        assert found["INSERT INTO note (text) VALUES (?)", "lazily", 1] == 1
        assert found["SELECT count(*) FROM note", "count_notes", 1] == 1
        assert found["COMMIT", "lazily", 0] == 1
        assert not any(call.on_loop for call in of_route(observations, route).statements)


async def test_django(service: Start, url: str) -> None:
    gunicorn = ("gunicorn", "django_postgresql_app:wsgi", "--bind", "127.0.0.1:0", "--log-level", "warning")
    async with service(*gunicorn, env={"TEST_POSTGRESQL": url}) as running:
        answers = await get(running, "/items/4", "/rename", "/walk")
        observations = await running.observations()
    assert [status for status, _ in answers] == [200] * 3
    assert answers[2][1] == b'{"seen": 20}'
    listed = ran(observations, of_route(observations, "/items/<int:count>"))
    [(function, rows, count)] = [(*key[1:], count) for key, count in listed.items() if key[0].startswith(DJANGO)]
    assert (function, rows, count) == (_comprehension("items"), 10, 4)
    renamed = ran(observations, of_route(observations, "/rename"))
    assert renamed['UPDATE "item" SET "name" = ? WHERE "item"."id" = ?', "rename", 1] == 1
    assert renamed["COMMIT", "rename", 0] == 1
    walked = ran(observations, of_route(observations, "/walk"))
    assert sum(count for (sql, *_), count in walked.items() if sql.startswith(DJANGO)) == 1


def _comprehension(function: str) -> str:
    """What a list comprehension's frame is called: until Python 3.12 it has one of its own."""
    return function if sys.version_info >= (3, 12) else "<listcomp>"
