"""Workloads out of a real PostgreSQL: its statistics, and its log in three forms."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import (
    LocalServer,
    capture_log,
    run_local_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements,auto_explain",
    "logging_collector": "on",
    "log_directory": "logs",
    "log_filename": "server.log",
    "log_destination": "stderr,csvlog,jsonlog",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_min_duration_statement": 0,
    "auto_explain.log_min_duration": 0,
    "auto_explain.log_format": "json",
    "auto_explain.log_nested_statements": "off",
}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    """One on which something happened."""
    with run_local_server(settings=SETTINGS) as running:
        with psycopg.connect(running.dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE TABLE orders (id serial PRIMARY KEY, email text, note text)")
            connection.execute("CREATE ROLE nobody LOGIN")
            connection.execute("INSERT INTO orders (email) SELECT 'secret' || n FROM generate_series(1, 500) n")
            for number in range(4):
                connection.execute(
                    "SELECT id FROM orders\n WHERE email = %s\n AND note IS NULL", (f"secret{number}",)
                ).fetchall()
            connection.execute("UPDATE orders SET note = 'secret note' WHERE id = 3")
        yield running


READ = "SELECT id FROM orders WHERE email = ? AND note IS NULL"


@pytest.mark.parametrize("form", ["server.log", "server.csv", "server.json"])
def test_log(form: str, server: LocalServer) -> None:
    (path,) = server.directory.rglob(f"logs/{form}")
    record = capture_log(path)
    (statement,) = [each for each in record.statements if each.fingerprint == READ]
    # Each execution is in the log twice: with its time, and with its plan.
    assert statement.calls == 4
    assert statement.plan is not None
    assert re.search("Scan", str(statement.plan["Plan"]["Node Type"]))
    assert [each.type for each in statement.parameters[0]] == ["str"]
    (written,) = [each for each in record.statements if each.kind == "update"]
    assert written.fingerprint == "UPDATE orders SET note = ? WHERE id = ?"
    assert "secret" not in repr(record)
    assert "secret2" in repr(capture_log(path, values=True))
