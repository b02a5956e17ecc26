from __future__ import annotations

import sqlite3
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
