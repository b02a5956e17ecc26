from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import Limits, open_database
from perfloop.exceptions import (
    ConfigurationError,
    DatabaseFailed,
    DatabaseLocked,
    DatabaseUnreachable,
    NoPrivilege,
    PerfloopError,
    StatementTimedOut,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...servers.postgresql import PostgreSQL

SHORT = Limits(statement=0.3, lock=0.3)


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item VALUES (1, 'a')"
        )
    connection.close()
    return path


@pytest.mark.services
@pytest.mark.parametrize("form", ["url", "sqlalchemy", "words"])
def test_a_postgresql_database_is_opened_by_each_form_of_its_address(postgresql: PostgreSQL, form: str) -> None:
    dsn = {
        "url": postgresql.url,
        "sqlalchemy": postgresql.url.replace("postgresql:", "postgresql+psycopg:"),
        "words": f"host=127.0.0.1 port={postgresql.port} user=perfloop dbname=postgres",
    }[form]
    with open_database(dsn) as database:
        assert database.dialect == "postgresql"
        assert database.name == f"postgresql://127.0.0.1:{postgresql.port}/postgres"
        assert database.version >= (12,)
        assert database.rows("SELECT %s::int + 1", (1,)) == [(2,)]
        assert database.rows("SHOW application_name") == [("perfloop",)]


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_an_sqlite_file_is_opened_by_its_path_and_url(shop_file: Path, form: str) -> None:
    with open_database(form.format(shop_file)) as database:
        assert (database.dialect, database.name) == ("sqlite", str(shop_file))
        assert database.rows("SELECT name FROM item WHERE id = ?", (1,)) == [("a",)]
        assert database.version >= (3, 31)


@pytest.mark.services
def test_postgresql_refuses_to_write_unless_the_database_is_a_clone(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int)")
    with open_database(url) as database:
        with pytest.raises(DatabaseFailed, match="only reads"):
            database.rows("INSERT INTO item VALUES (1)")
        with database.rolled_back(), pytest.raises(DatabaseFailed, match="only reads"):
            database.rows("WITH new AS (INSERT INTO item VALUES (1) RETURNING *) SELECT * FROM new")
    with open_database(url, writable=True) as clone:
        with clone.rolled_back():
            clone.rows("INSERT INTO item VALUES (1)")
            assert clone.rows("SELECT * FROM item") == [(1,)]
        assert clone.rows("SELECT * FROM item") == []


def test_sqlite_refuses_to_write_unless_the_database_is_a_clone(shop_file: Path) -> None:
    with open_database(str(shop_file)) as database, pytest.raises(DatabaseFailed, match="only reads"):
        database.rows("DELETE FROM item")
    with open_database(str(shop_file), writable=True) as clone:
        with clone.rolled_back():
            clone.rows("DELETE FROM item")
            assert clone.rows("SELECT * FROM item") == []
        assert clone.rows("SELECT count(*) FROM item") == [(1,)]


@pytest.mark.services
def test_a_snapshot_does_not_see_what_others_commit(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int)")
    with (
        open_database(url) as database,
        open_database(url, writable=True) as other,
        database.rolled_back(snapshot=True),
    ):
        assert database.rows("SELECT * FROM item") == []
        other.rows("INSERT INTO item VALUES (1)")
        assert database.rows("SELECT * FROM item") == []


@pytest.mark.services
def test_a_lock_held_by_somebody_times_out_and_says_who(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int)")
    with (
        psycopg.connect(url, application_name="nightly import") as holder,
        open_database(url, limits=Limits(lock=0.3)) as database,
    ):
        holder.execute("LOCK TABLE item")
        with pytest.raises(DatabaseLocked) as caught:
            database.rows("SELECT * FROM item")
        pid = holder.info.backend_pid
    assert f"process {pid} (nightly import, user perfloop, idle in transaction for" in caught.value.message
    assert caught.value.hint is not None


def test_a_locked_sqlite_file_times_out_and_says_who(shop_file: Path) -> None:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN EXCLUSIVE'); "
        "print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(shop_file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DatabaseLocked) as caught:
            open_database(str(shop_file), limits=SHORT)
        holder.communicate(b"")
    assert "stayed locked for 0.3 s" in caught.value.message
    if sys.platform == "linux":
        assert f"by process {holder.pid} (python" in caught.value.message


@pytest.mark.services
def test_a_statement_ends_when_its_time_is_over(postgresql: PostgreSQL, shop_file: Path) -> None:
    with open_database(postgresql.url, limits=SHORT) as database, pytest.raises(StatementTimedOut, match=r"0\.3 s"):
        database.rows("SELECT pg_sleep(60)")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with open_database(str(shop_file), limits=SHORT) as file:
        with pytest.raises(StatementTimedOut, match=r"0\.3 s"):
            file.rows(endless)
        assert file.rows("SELECT 1") == [(1,)]


@pytest.mark.services
def test_a_user_without_privilege_is_told_what_to_grant(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int); CREATE ROLE connection_reader LOGIN")
    try:
        with (
            open_database(url.replace("perfloop@", "connection_reader@")) as database,
            pytest.raises(NoPrivilege, match="permission denied for table item") as caught,
        ):
            database.rows("SELECT * FROM item")
        assert caught.value.hint is not None
        assert 'pg_read_all_data, pg_read_all_stats TO "connection_reader"' in caught.value.hint
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP ROLE connection_reader")


@pytest.mark.services
def test_a_fault_in_a_statement_is_shown_where_it_is(postgresql: PostgreSQL) -> None:
    with open_database(postgresql.url) as database:
        with pytest.raises(DatabaseFailed, match='column "nope" does not exist') as caught:
            database.rows("SELECT relname,\n  nope FROM pg_class")
        assert caught.value.where == "line 2, column 3 of the statement: nope FROM pg_class"
        with pytest.raises(DatabaseFailed, match="syntax error"):
            database.rows("SELEC 1")


@pytest.mark.services
def test_a_lost_connection_is_called_lost(postgresql: PostgreSQL) -> None:
    with open_database(postgresql.url) as database, psycopg.connect(postgresql.url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (database.connection.info.backend_pid,))
        with pytest.raises(DatabaseUnreachable, match="lost"):
            database.rows("SELECT 1")


@pytest.mark.services
def test_a_database_that_is_not_there_says_what_to_check(postgresql: PostgreSQL, unused_tcp_port: int) -> None:
    with pytest.raises(DatabaseUnreachable, match="nowhere") as caught:
        open_database(postgresql.url.replace("/postgres", "/nowhere"))
    assert caught.value.hint == "check the names of user and database in the URL"
    with pytest.raises(DatabaseUnreachable) as caught:
        open_database(f"postgresql://ann:s3cret@127.0.0.1:{unused_tcp_port}/shop")
    assert caught.value.hint == "is the server running, and does it listen there?"
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("dsn", "kind", "message"),
    [
        ("mysql://ann:s3cret@h/db", ConfigurationError, "PostgreSQL or SQLite"),
        ("postgresql://ann:s3cret@h:port/db", DatabaseUnreachable, "cannot be connected to"),
        ("nowhere.sqlite3", DatabaseUnreachable, "there is none"),
        (":memory:", DatabaseUnreachable, "path of an SQLite file"),
        ("", DatabaseUnreachable, "path of an SQLite file"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(dsn: str, kind: type[PerfloopError], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        open_database(dsn, limits=Limits(connect=1))
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(DatabaseFailed, match="the file is none"):
        open_database(str(path))


def test_a_journal_that_a_killed_writer_left_is_called_so(shop_file: Path) -> None:
    writer = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('BEGIN');"
        "c.execute('CREATE TABLE torn AS SELECT randomblob(100000)'); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", writer, str(shop_file)], check=False)
    assert shop_file.with_name(f"{shop_file.name}-journal").exists()
    with pytest.raises(DatabaseFailed, match="A writer of the SQLite file was interrupted"):
        open_database(str(shop_file))
