"""Indexes for what a service asks, found on a clone of a real database."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database.capture import WorkloadBuilder
from perfloop.diagnosis.service_indexes import advise_service, check_database
from perfloop.exceptions import PerfloopError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ...servers import PostgreSQL

BY_CUSTOMER = "SELECT id, note FROM orders WHERE customer_id = ?"
# Not by customer: where the clone was vacuumed meanwhile, the index on it alone would do.
COUNTS = "SELECT length(note), count(*) FROM orders GROUP BY length(note)"


@pytest.fixture
def url(postgresql: PostgreSQL) -> Iterator[str]:
    """Of a database with 30,000 orders and no index but the primary key's."""
    with psycopg.connect(postgresql.url, autocommit=True) as server:
        server.execute("CREATE DATABASE asked_shop")
        url = postgresql.url.replace("/postgres", "/asked_shop")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (id serial PRIMARY KEY, customer_id int, note text)")
            connection.execute(
                "INSERT INTO orders (customer_id, note) "
                "SELECT i % 2000, repeat('x', 90) FROM generate_series(1, 30000) i"
            )
            connection.execute("ANALYZE orders")
        yield url
        server.execute("DROP DATABASE asked_shop WITH (FORCE)")


def test_an_index_is_named_with_its_pages_and_a_scan_that_is_right(url: str) -> None:
    builder = WorkloadBuilder()
    builder.add(BY_CUSTOMER, calls=500, total_ms=2_000.0, rows=7_500)
    builder.add(COUNTS, calls=3, total_ms=60.0, rows=6_000)
    check_database(url)
    steps: list[str] = []
    found = advise_service(url, builder.record("postgresql", "service"), steps.append)
    assert found.notes == []
    assert COUNTS in found.scans
    trial = found.trials[BY_CUSTOMER]
    assert (trial.index.table, trial.index.keys) == ("orders", ["customer_id"])
    assert trial.gain.buffers_before is not None
    assert trial.gain.buffers_after is not None
    assert trial.gain.buffers_before > 5 * trial.gain.buffers_after
    assert trial.part < 0.5
    assert "looking for indexes on the clone" in steps
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'orders'").fetchone() == (1,)


def test_a_search_that_cannot_be_made_is_a_note(url: str) -> None:
    found = advise_service(url, WorkloadBuilder().record("sqlite", "service"), lambda _: None)
    assert found.trials == {}
    assert "Expected a workload of postgresql" in found.notes[0]


def test_an_sqlite_file_is_advised_on_too(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, note TEXT)")
        rows = ((number % 2_000, "x" * 90) for number in range(20_000))
        connection.executemany("INSERT INTO orders (customer_id, note) VALUES (?, ?)", rows)
    builder = WorkloadBuilder()
    builder.add(BY_CUSTOMER, calls=500, total_ms=2_000.0, rows=5_000)
    check_database(str(path))
    found = advise_service(str(path), builder.record("sqlite", "service"), lambda _: None)
    assert found.notes == []
    trial = found.trials[BY_CUSTOMER]
    assert (trial.index.table, trial.index.keys) == ("orders", ["customer_id"])
    assert trial.part < 0.5


def test_a_database_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(PerfloopError):
        check_database(str(tmp_path / "gone.sqlite3"))
