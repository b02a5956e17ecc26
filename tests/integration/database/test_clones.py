from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import CloneOptions, Limits, clone_database, open_database, run_local_server
from perfloop.exceptions import ConfigurationError, DatabaseLocked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...servers.postgresql import PostgreSQL

# Whatever a schema can have that a naive copy loses.
SHOP = r"""
CREATE EXTENSION pg_trgm;
CREATE SCHEMA "Sales";
CREATE TYPE mood AS ENUM ('fine', 'bad');
CREATE TABLE customer(
    id serial PRIMARY KEY, email text UNIQUE, referrer int REFERENCES customer, mood mood DEFAULT 'fine');
INSERT INTO customer(email, referrer)
    SELECT 'u' || i || '@example.com', CASE WHEN i > 1 THEN i / 2 END FROM generate_series(1, 4000) i;
CREATE TABLE "Sales"."Order Line"(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "customerId" int NOT NULL REFERENCES customer, amount numeric,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED, note text, CHECK (amount > 0));
INSERT INTO "Sales"."Order Line"("customerId", amount, note)
    SELECT 1 + i % 4000, i, E'it''s 100 % \\ \t of it' FROM generate_series(1, 9000) i;
CREATE INDEX ON "Sales"."Order Line"("customerId");
CREATE INDEX email_trigrams ON customer USING gin (email gin_trgm_ops);
CREATE TABLE event(at date NOT NULL, number int) PARTITION BY RANGE (at);
CREATE TABLE event_2020 PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE event_2021 PARTITION OF event FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO event SELECT '2020-01-01'::date + i % 700, i FROM generate_series(1, 3000) i;
CREATE VIEW friends AS SELECT * FROM customer WHERE referrer = 1;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM customer;
CREATE FUNCTION next_of(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1';
CREATE TABLE "empty"(a int);
ANALYZE;
"""
COUNTS = """
SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM "Sales"."Order Line"), (SELECT count(*) FROM event),
    (SELECT count(*) FROM friends), (SELECT count FROM counted), (SELECT count(*) FROM "empty"), next_of(1),
    (SELECT sum(twice) FROM "Sales"."Order Line")
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'Sales') ORDER BY 1"
KEYS = "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"

pytestmark = pytest.mark.services


def test_a_clone_has_everything_and_leaves_nothing(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET search_path = 'Sales', public")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET search_path = 'Sales', public")
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET random_page_cost = 1.7")
    steps: list[str] = []
    with open_database(url) as database, clone_database(database, progress=steps.append) as clone:
        assert clone.left_out == []
        assert not clone.sampled
        for query in (COUNTS, INDEXES, KEYS):
            assert clone.database.rows(query) == database.rows(query)
        assert clone.tables["public.customer"].rows == 4000
        assert clone.database.rows("SELECT nextval('customer_id_seq')") == [(4001,)]
        assert clone.database.rows("SELECT reltuples FROM pg_class WHERE relname = 'Order Line'") == [(9000.0,)]
        with open_database(clone.database.address, writable=True) as again:
            for each in (clone.database, again):
                assert each.rows("SHOW search_path") == [('"Sales", public',)]
                assert each.rows("SHOW random_page_cost") == [("1.7",)]
        clone.database.rows("DELETE FROM event")
        assert database.rows("SELECT count(*) FROM event") == [(3000,)]
    assert any("Order Line" in step for step in steps)


def test_a_sample_keeps_every_foreign_key(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    with open_database(url) as database, clone_database(database, options=CloneOptions(rows=500)) as clone:
        assert clone.left_out == []
        assert clone.sampled
        lines = clone.tables['"Sales"."Order Line"']
        assert (300 < lines.rows < 800, lines.rows_there) == (True, 9000)
        assert clone.database.rows(KEYS) == database.rows(KEYS)  # each of them checked when it was made
        assert clone.database.rows(INDEXES) == database.rows(INDEXES)
        customers = clone.tables["public.customer"]
        assert lines.rows < customers.rows < customers.rows_there
        assert clone.database.rows("SELECT count(*) FROM customer") == [(customers.rows,)]


def test_what_a_user_may_not_read_is_left_out_and_said(make_database: Callable[[str], str]) -> None:
    url = make_database(
        """CREATE ROLE clone_reader LOGIN; CREATE TABLE "Hidden.One"(a int PRIMARY KEY); CREATE SCHEMA closed;
        CREATE TABLE closed.other(a int);
        CREATE TABLE seen(a int REFERENCES "Hidden.One"); GRANT SELECT ON seen TO clone_reader;
        INSERT INTO "Hidden.One" VALUES (1); INSERT INTO seen VALUES (1)"""
    )
    try:
        with open_database(url.replace("perfloop@", "clone_reader@")) as database, clone_database(database) as clone:
            assert clone.database.rows("SELECT * FROM seen") == [(1,)]
            assert list(clone.tables) == ["public.seen"]
            assert clone.left_out[:2] == [
                "closed.other is not in the clone: user clone_reader may not read it",
                'public."Hidden.One" is not in the clone: user clone_reader may not read it',
            ]
            assert clone.left_out[2].startswith("FK CONSTRAINT public.seen seen_a_fkey is not in the clone")
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP OWNED BY clone_reader; DROP ROLE clone_reader")


def test_a_table_locked_by_somebody_is_not_waited_for(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int)")
    with psycopg.connect(url) as holder, open_database(url, limits=Limits(lock=0.3)) as database:
        holder.execute("LOCK TABLE item")
        with (
            pytest.raises(DatabaseLocked, match=rf"0\.3 s: process {holder.info.backend_pid} "),
            clone_database(database),
        ):
            pass


def test_a_clone_is_made_on_a_server_that_is_named_and_dropped_there(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE item(id int); INSERT INTO item VALUES (1)")
    with run_local_server() as server:
        with open_database(url) as database, clone_database(database, onto=server.dsn()) as clone:
            assert clone.database.rows("SELECT * FROM item") == [(1,)]
            name = clone.database.rows("SELECT current_database()")
        with open_database(server.dsn()) as after:
            assert after.rows("SELECT datname FROM pg_database WHERE datname = %s", name[0]) == []


def test_clones_that_killed_runs_have_left_are_dropped_and_those_in_use_are_not(
    make_database: Callable[[str], str],
) -> None:
    url = make_database("CREATE TABLE item(id int)")
    told: list[str] = []
    with (
        run_local_server() as server,
        open_database(url) as database,
        psycopg.connect(server.dsn(), autocommit=True) as other,
    ):
        for name in ("perfloop_clone_0badcafe", "perfloop_clone_mine", "perfloop_clone_f00df00d"):
            other.execute(f"CREATE DATABASE {name}")
        # As one does that is just making it: nobody is in it yet.
        other.execute("SELECT pg_advisory_lock(%s, %s)", (0x70657266, 0xF00DF00D - 2**32))
        with clone_database(database, onto=server.dsn(), progress=told.append) as clone:
            in_use = clone.database.rows("SELECT current_database()")[0][0]
            with clone_database(database, onto=server.dsn(), progress=told.append):
                found = {name for (name,) in other.execute("SELECT datname FROM pg_database").fetchall()}
    assert {in_use, "perfloop_clone_mine", "perfloop_clone_f00df00d"} <= found
    assert "perfloop_clone_0badcafe" not in found
    assert [each for each in told if "dropped" in each] == [
        "dropped perfloop_clone_0badcafe, which a run that was killed had left"
    ]


def test_an_abandoned_clone_that_cannot_be_dropped_is_told_with_the_command(
    make_database: Callable[[str], str],
) -> None:
    url = make_database("CREATE TABLE item(id int)")
    with run_local_server() as server, open_database(url) as database:
        with psycopg.connect(server.dsn(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE perfloop_clone_0badcafe")
            admin.execute("UPDATE pg_database SET datistemplate = true WHERE datname = 'perfloop_clone_0badcafe'")
        with clone_database(database, onto=server.dsn()) as clone:
            (line,) = [each for each in clone.left_out if "killed" in each]
    assert "DROP DATABASE perfloop_clone_0badcafe" in line


def test_the_database_itself_is_no_place_for_a_clone(postgresql: PostgreSQL) -> None:
    with (
        open_database(postgresql.url) as database,
        pytest.raises(ConfigurationError, match="another server"),
        clone_database(database, onto=postgresql.socket_url),
    ):
        pass


def test_an_sqlite_file_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE item(id); INSERT INTO item VALUES (1)")
    with open_database(str(path)) as database:
        with clone_database(database) as clone:
            clone.database.rows("DELETE FROM item")
            assert database.rows("SELECT * FROM item") == [(1,)]
        with (
            pytest.raises(ConfigurationError, match="copied into a file"),
            clone_database(database, onto="postgresql://h/d"),
        ):
            pass
    connection.close()


def test_an_sqlite_file_that_is_locked_before_it_is_copied_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE item(id)")
    with open_database(str(path), limits=Limits(lock=0.2)) as database:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseLocked, match=r"stayed locked for 0\.2 s"), clone_database(database):
            pass
        holder.execute("ROLLBACK")
        with clone_database(database) as clone:
            assert clone.database.rows("SELECT * FROM item") == []
            holder.execute("INSERT INTO item VALUES (1)")  # the copy is made: nobody is kept from writing
    holder.close()


def test_a_copy_for_which_there_is_no_room_says_where_and_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item AS SELECT randomblob(100000)")
    connection.close()
    script = (
        "import resource, sys; from perfloop.database import clone_database, open_database;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000));"
        "stack = clone_database(open_database(sys.argv[1])); stack.__enter__()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True
    )
    assert ran.returncode == 1
    assert b"cannot be copied, perhaps for want of room" in ran.stderr
    said, hint = ran.stderr.splitlines()[-2:]
    assert str(tmp_path).encode() in said
    assert hint.startswith(b"hint: ")
