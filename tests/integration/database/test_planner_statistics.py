"""A clone plans by the statistics of its database, and what only luck makes good is not advised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from perfloop.database import clone_database, open_database, run_local_server
from perfloop.database.indexes import IndexOptions, advise_indexes
from perfloop.database.indexes.planner_statistics import (
    put_statistics,
    put_visible_shares,
    read_statistics,
    read_visible_shares,
)
from perfloop.records import WorkloadRecord, WorkloadStatement, current_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfloop.database.local_server import LocalServer
    from perfloop.records.index_advice import IndexAdvice

    from ...servers.postgresql import PostgreSQL

pytestmark = pytest.mark.services

SCHEMA = """
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE kinds AS SELECT n AS id, (1 + n % 7)::positive AS p, (ARRAY['red', 'green'])[1 + n % 2]::colour AS c,
    ('x' || n % 50)::varchar(9) AS v, (n % 9)::text::char(4) AS padded, ARRAY[n % 3, n % 4] AS list,
    CASE WHEN n % 3 = 0 THEN n * 1.5 END AS num, now() + n * interval '1 hour' AS at,
    jsonb_build_object('n', n % 5) AS j
    FROM generate_series(1, 40000) n;
CREATE TABLE job (id integer PRIMARY KEY, state text NOT NULL, filler text NOT NULL) WITH (autovacuum_enabled = off);
INSERT INTO job SELECT n, CASE WHEN n % 20 = 0 THEN 'done' ELSE 'open' END, repeat('x', 100)
    FROM generate_series(1, 20000) n;
VACUUM (ANALYZE);
"""
MOST_ARE_DONE = "UPDATE job SET state = 'done' WHERE id % 200 <> 1"
OPEN = "SELECT filler FROM job WHERE state = 'open'"


@pytest.fixture
def dsn(postgresql: PostgreSQL) -> Iterator[str]:
    with psycopg.connect(postgresql.url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE planned")
    address = postgresql.url.replace("/postgres", "/planned")
    with psycopg.connect(address, autocommit=True) as connection:
        for statement in SCHEMA.split(";\n"):
            connection.execute(statement.encode())
    yield address
    with psycopg.connect(postgresql.url, autocommit=True) as admin:
        admin.execute("DROP DATABASE planned WITH (FORCE)")


@pytest.fixture(scope="module")
def clones() -> Iterator[LocalServer]:
    with run_local_server() as server:
        yield server


def advised(dsn: str, onto: str) -> IndexAdvice:
    statements = [WorkloadStatement(fingerprint=OPEN, sql=OPEN, kind="select", calls=100)]
    record = WorkloadRecord(
        environment=current_environment(), dialect="postgresql", source="sql", statements=statements
    )
    with open_database(dsn) as database, clone_database(database, onto=onto) as clone:
        return advise_indexes(
            database, record, clone=clone.database, options=IndexOptions(write_rows=20, write_rounds=1)
        )


def test_a_clone_takes_the_statistics_of_every_type_of_column(dsn: str, clones: LocalServer) -> None:
    def state(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
        return sorted(map(tuple, read_statistics(connection)), key=repr)

    with open_database(dsn) as database, clone_database(database, onto=clones.dsn()) as clone:
        ours, theirs = clone.database.connection, database.connection
        assert state(ours) != state(theirs)  # of 40,000 rows each has drawn its own 30,000
        put_statistics(ours, read_statistics(theirs), {("public", "kinds"), ("public", "job")})
        assert state(ours) == state(theirs)
        asked = "EXPLAIN (FORMAT JSON) SELECT * FROM kinds WHERE num < 400 AND v = 'x3'"
        assert ours.execute(asked).fetchone() == theirs.execute(asked).fetchone()


def test_every_page_of_a_clone_is_visible_to_all_and_it_plans_as_where_fewer_are(dsn: str, clones: LocalServer) -> None:
    table = ("public", "job")
    with open_database(dsn) as database, clone_database(database, onto=clones.dsn()) as clone:
        ours, theirs = clone.database.connection, database.connection
        assert set(read_visible_shares(ours).values()) == {1.0}
        shares = read_visible_shares(theirs) | {table: 0.25}
        put_visible_shares(ours, shares, {table})
        assert read_visible_shares(ours)[table] == pytest.approx(0.25, abs=0.01)
        assert read_visible_shares(ours)["public", "kinds"] == 1.0


def test_an_index_that_the_database_would_not_use_is_not_advised(dsn: str, clones: LocalServer) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(MOST_ARE_DONE.encode())
        # For the planner most rows are open, until it looks again.
        stale = advised(dsn, clones.dsn())
        connection.execute("VACUUM (FULL, ANALYZE) job")
        fresh = advised(dsn, clones.dsn())
    assert stale.advised == []
    assert any("by the statistics that the database has now" in line for line in stale.left_out), stale.left_out
    assert fresh.advised
    assert fresh.notes == []


def test_a_clone_of_no_superuser_plans_by_its_own_and_says_so(dsn: str, clones: LocalServer) -> None:
    with psycopg.connect(clones.dsn(), autocommit=True) as admin:
        admin.execute("CREATE USER cloner CREATEDB")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(MOST_ARE_DONE.encode())
        connection.execute("VACUUM (FULL, ANALYZE) job")
    advice = advised(dsn, clones.dsn().replace("perfloop@", "cloner@"))
    assert any("take a superuser" in note for note in advice.notes), advice.notes
