"""Parameters of a service's statements: types and sizes, values only on demand; and whether a transaction was open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.diagnosis.workload import workload_of
from perfloop.sources import Sources

from .conftest import get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.monitoring import Service
    from perfloop.records import WorkloadRecord, WorkloadStatement

    from ...servers import PostgreSQL

    Start = Callable[..., Service]

UVICORN = ("--port", "0", "--log-level", "warning")
FASTAPI = ("uvicorn", "fastapi_app:app", *UVICORN)
POSTGRESQL = ("uvicorn", "postgresql_app:app", *UVICORN)
DJANGO = ("gunicorn", "django_postgresql_app:wsgi", "--bind", "127.0.0.1:0", "--log-level", "warning")
# Library → (command, request, part of a statement, whether it is asked in a transaction).
LIBRARIES = {
    "sqlite3": (FASTAPI, "/orders/2", "FROM item WHERE order_id = ?", False),
    "psycopg": (POSTGRESQL, "/psycopg", "FROM item WHERE order_id = ?", True),
    "asyncpg": (POSTGRESQL, "/asyncpg", "FROM item WHERE order_id = ?", False),
    "SQLAlchemy": (POSTGRESQL, "/orm", "= item.order_id", True),
    "Django": (DJANGO, "/items/4", '"item"."order_id" = ?', False),
}


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


@pytest.mark.parametrize("library", LIBRARIES)
async def test_parameters_have_their_type_and_on_demand_their_value(service: Start, url: str, library: str) -> None:
    command, target, part, transaction = LIBRARIES[library]
    shapes = _statement(await _asked(service, command, target, url, "shapes"), part)
    assert {(each.type, each.value) for row in shapes.parameters for each in row} == {("int", None)}
    assert 1 <= len(shapes.parameters) <= 5
    (use,) = shapes.uses
    assert use.route is not None
    assert target.split("/")[1] in use.route
    assert use.in_transaction is transaction

    record = await _asked(service, command, target, url, "values")
    kept = _statement(record, part)
    assert not record.redacted
    assert all(isinstance(each.value, int) for row in kept.parameters for each in row)
    assert kept.fingerprint == shapes.fingerprint


async def test_nobody_is_told_who_did_not_ask(service: Start, url: str) -> None:
    record = await _asked(service, FASTAPI, "/orders/2", url, "")
    assert not any(each.parameters for each in record.statements)


async def _asked(service: Start, command: tuple[str, ...], target: str, url: str, parameters: str) -> WorkloadRecord:
    async with service(*command, env={"TEST_POSTGRESQL": url}, parameters=parameters, light=True) as running:
        ((status, _),) = await get(running, target)
        assert status == 200
        observations = await running.observations()
    assert not [info.hooks_failed for info in observations.processes.values() if info.hooks_failed]
    return workload_of(observations, Sources("."), values=parameters == "values")


def _statement(record: WorkloadRecord, part: str) -> WorkloadStatement:
    (found,) = [each for each in record.statements if part in each.fingerprint]
    return found
