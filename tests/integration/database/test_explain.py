from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from perfloop.database import Limits, open_database
from perfloop.database.plans import ExplainOptions, compare_plans, explain
from perfloop.exceptions import ConfigurationError, DatabaseFailed, DatabaseLocked, InvalidValue, StatementTimedOut
from perfloop.records import PlanRecord, load_record, save_record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOP = """
CREATE SCHEMA "Sales";
CREATE TABLE customer(id serial PRIMARY KEY, email text, country text);
CREATE TABLE "Sales"."Order Line"(id serial PRIMARY KEY, "customerId" int, note text, n int, m int);
INSERT INTO customer(email, country)
    SELECT 'u' || i, CASE WHEN i % 50 = 0 THEN 'CH' ELSE 'DE' END FROM generate_series(1, 5000) i;
INSERT INTO "Sales"."Order Line"("customerId", note, n, m)
    SELECT 1 + i % 5000, repeat('x', 80), i % 1000, i % 1000 FROM generate_series(1, 60000) i;
CREATE TABLE nothing(a int);
CREATE TABLE event(at date NOT NULL, number int) PARTITION BY RANGE (at);
CREATE TABLE event_2020 PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE event_2021 PARTITION OF event FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
INSERT INTO event SELECT '2020-01-01'::date + i % 700, i FROM generate_series(1, 3000) i;
CREATE VIEW swiss AS SELECT * FROM customer WHERE country = 'CH';
CREATE TABLE made(a int, b int GENERATED ALWAYS AS (a * 2) STORED);
ANALYZE;
"""
SPILLING = """SELECT * FROM "Sales"."Order Line" ORDER BY note, id DESC"""


def planned(url: str, sql: str, **options: Any) -> PlanRecord:
    with open_database(url) as database:
        return explain(database, sql, ExplainOptions(**options))


@pytest.mark.services
def test_a_plan_is_told_with_what_is_dear_in_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    url = make_database(SHOP)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET work_mem = '1MB'")
    record = planned(url, SPILLING, analyze=True)
    worst = record.nodes[record.worst or 0]
    assert record.problems[0].kind == "spill"
    assert record.nodes[record.problems[0].node or 0].spill_bytes > 2**20
    assert record.settings["work_mem"] == "1MB"
    assert worst.self_ms == max(node.self_ms or 0.0 for node in record.nodes)
    assert record.execution_ms is not None
    assert sum(node.self_ms or 0.0 for node in record.nodes) == pytest.approx(record.root.time_ms, rel=0.02)
    assert any(node.relation == "Sales.Order Line" for node in record.nodes)
    save_record(record, tmp_path / "plan.json")
    assert load_record(tmp_path / "plan.json") == record


@pytest.mark.services
def test_a_scan_that_throws_its_rows_away_is_named_and_an_index_ends_it(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    sql = """SELECT * FROM "Sales"."Order Line" WHERE "customerId" = 77"""
    before = planned(url, sql, analyze=True)
    assert before.problems[0].kind == "rows removed"
    assert "77" not in "".join(before.nodes[-1].conditions) + before.sql
    assert '("Order Line"."customerId" = ?)' in before.problems[0].words
    assert "= 77" in planned(url, sql, values=True).sql
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""CREATE INDEX ON "Sales"."Order Line"("customerId")""")
    after = planned(url, sql, analyze=True)
    assert after.problems == []
    found = compare_plans(before, after)
    assert found.verdict == "faster"
    assert found.metrics[0].b < found.metrics[0].a / 10
    assert any("Order Line_customerId_idx" in reason for reason in found.reasons)


@pytest.mark.services
@pytest.mark.parametrize(
    "sql", ["SELECT * FROM customer WHERE id = $1", "SELECT * FROM customer WHERE id = %s", "…:id"]
)
def test_placeholders_without_values_get_the_generic_plan(make_database: Callable[[str], str], sql: str) -> None:
    url = make_database(SHOP)
    sql = sql.replace("…", "SELECT * FROM customer WHERE id = ")
    record = planned(url, sql)
    assert (record.generic, record.analyzed, record.sql) == (True, False, sql)
    assert record.root.conditions == ["index condition (customer.id = $1)"]
    parameter = "id=7" if ":" in sql else "7"
    executed = planned(url, sql, parameters=(parameter,), analyze=True)
    assert (executed.generic, executed.root.rows) == (False, 1.0)
    assert executed.root.conditions == ["index condition (customer.id = ?)"]
    with pytest.raises(InvalidValue, match="value for each of 1 placeholders"):
        planned(url, sql, analyze=True)


@pytest.mark.services
def test_five_thousand_parameters_are_planned(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    sql = f"SELECT * FROM customer WHERE id IN ({', '.join(['?'] * 5000)})"
    assert planned(url, sql).generic
    executed = planned(url, sql, parameters=tuple(map(str, range(5000))), analyze=True)
    assert executed.root.rows == 4999.0


@pytest.mark.services
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM nothing",
        "SELECT * FROM event WHERE at > '2021-02-01'",
        "SELECT * FROM swiss JOIN made ON made.b = swiss.id",
        'SELECT l."customerId", count(*) FROM "Sales"."Order Line" l GROUP BY 1',
        "WITH recent AS MATERIALIZED (SELECT * FROM event) SELECT * FROM recent a, recent b WHERE a.number = b.number",
        "VALUES (1), (2)",
        "SELECT * FROM customer WHERE id = (SELECT max(id) FROM customer) FOR SHARE OF customer",
    ],
)
def test_every_kind_of_table_is_explained(make_database: Callable[[str], str], sql: str) -> None:
    record = planned(make_database(SHOP), sql, analyze="FOR SHARE" not in sql)
    assert all((node.self_ms or 0.0) >= 0 for node in record.nodes)


@pytest.mark.services
def test_what_writes_is_planned_and_never_executed(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    assert planned(url, "DELETE FROM customer").root.kind == "Delete"
    for sql in ("DELETE FROM customer", "WITH gone AS (DELETE FROM customer RETURNING *) SELECT * FROM gone"):
        with pytest.raises(DatabaseFailed, match="only reads"):
            planned(url, sql, analyze=True)
    for sql in (
        "SELECT 1; DROP TABLE customer",
        "SELECT 1; COMMIT; SET default_transaction_read_only = off; DROP TABLE customer",
        "SELECT $1::int; COMMIT; DROP TABLE customer",
    ):
        with pytest.raises(DatabaseFailed, match="multiple commands"):
            planned(url, sql)
    assert planned(url, "SELECT * FROM customer", analyze=True).root.rows == 5000


@pytest.mark.services
def test_what_cannot_be_explained_says_where(make_database: Callable[[str], str]) -> None:
    url = make_database(SHOP)
    with pytest.raises(DatabaseFailed, match="syntax error") as caught:
        planned(url, "SELECT *\nFRM customer")
    assert caught.value.where == "line 2, column 1 of the statement: FRM customer"
    with pytest.raises(DatabaseFailed, match='relation "nowhere" does not exist'):
        planned(url, "SELECT * FROM nowhere")
    with pytest.raises(ConfigurationError, match="got none"):
        planned(url, " ; ")
    with open_database(url, limits=Limits(statement=0.3)) as database, pytest.raises(StatementTimedOut):
        explain(database, "SELECT pg_sleep(60)", ExplainOptions(analyze=True))
    with (
        psycopg.connect(url, application_name="nightly import") as holder,
        open_database(url, limits=Limits(lock=0.3)) as database,
    ):
        holder.execute("LOCK TABLE customer")
        with pytest.raises(DatabaseLocked, match="nightly import"):
            explain(database, "SELECT * FROM customer")


@pytest.fixture
def shop_file(tmp_path: Path) -> str:
    path = tmp_path / "shop.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE item(id INTEGER PRIMARY KEY, a INT, b TEXT); "
            "INSERT INTO item(a, b) SELECT value, 'x' FROM (WITH RECURSIVE n(value) AS "
            "(SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 500) SELECT value FROM n)"
        )
    connection.close()
    return str(path)


def test_sqlites_plan_says_what_it_does_and_that_it_has_no_figures(shop_file: str) -> None:
    record = planned(shop_file, "SELECT * FROM item WHERE a = :a ORDER BY b")
    assert [problem.kind for problem in record.problems] == ["full scan", "sort"]
    assert record.worst is None
    assert "no costs" in record.notes[0]
    executed = planned(shop_file, "SELECT * FROM item WHERE a > ?", parameters=("490",), analyze=True)
    assert executed.rows_returned == 10
    assert executed.execution_ms is not None


def test_sqlite_executes_nothing_that_writes(shop_file: str) -> None:
    assert planned(shop_file, "DELETE FROM item WHERE a = 1").root.children
    with pytest.raises(DatabaseFailed, match="only reads"):
        planned(shop_file, "DELETE FROM item", analyze=True)
    with pytest.raises(DatabaseFailed, match="one statement"):
        planned(shop_file, "SELECT 1; DROP TABLE item")
    with pytest.raises(DatabaseFailed, match="syntax error"):
        planned(shop_file, "SELEC 1")
