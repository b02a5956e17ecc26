from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import open_database, run_local_server
from perfloop.database.capture.pg_stat_statements import capture_pg_stat_statements
from perfloop.exceptions import ConfigurationError, NoPrivilege

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def counting() -> Iterator[str]:
    """The URL of a database whose server counts statements."""
    with run_local_server(settings={"shared_preload_libraries": "pg_stat_statements"}) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("CREATE TABLE item(id int)")
            connection.execute("SELECT pg_stat_statements_reset()")
            for number in range(7):
                connection.execute("SELECT * FROM item WHERE id = %s", (number,))
            connection.execute("INSERT INTO item VALUES (1), (2)")
        yield server.dsn()


@pytest.mark.services
def test_what_the_server_counted_is_a_workload(counting: str) -> None:
    with open_database(counting) as database:
        workload = capture_pg_stat_statements(database)
    calls = {each.sql: (each.kind, each.calls, each.rows) for each in workload.statements}
    assert calls["SELECT * FROM item WHERE id = $1"] == ("select", 7, 0)
    assert calls["INSERT INTO item VALUES ($1), ($2)"] == ("insert", 1, 2)
    assert all(each.total_ms > 0 for each in workload.statements)
    assert not any("pg_" in sql or "CREATE" in sql for sql in calls)
    with open_database(counting) as database:
        [only] = capture_pg_stat_statements(database, most=1).statements
    assert only.sql in calls


@pytest.mark.services
def test_statements_of_others_are_hidden_and_it_is_said(counting: str) -> None:
    with (
        open_database(counting.replace("perfloop@", "reader@")) as database,
        pytest.raises(NoPrivilege, match="from reader") as caught,
    ):
        capture_pg_stat_statements(database)
    assert caught.value.hint == 'GRANT pg_read_all_stats TO "reader"'


@pytest.mark.services
def test_a_server_that_counts_nothing_says_how_to(make_database: Callable[[str], str]) -> None:
    with (
        open_database(make_database("")) as database,
        pytest.raises(ConfigurationError, match="extension pg_stat_statements") as caught,
    ):
        capture_pg_stat_statements(database)
    assert "--sql FILE" in str(caught.value.hint)


def test_sqlite_keeps_no_statistics_and_it_is_said(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "a.sqlite3").close()
    with (
        open_database(str(tmp_path / "a.sqlite3")) as database,
        pytest.raises(ConfigurationError, match="SQLite keeps no statistics"),
    ):
        capture_pg_stat_statements(database)
