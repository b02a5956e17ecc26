"""What indexes cost writers, on a real PostgreSQL: whose rows are written, and what is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from perfloop.database import open_database, run_local_server
from perfloop.database.indexes import IndexOptions
from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.costs import Judged
from perfloop.database.indexes.definition import IndexDefinition, IndexKey
from perfloop.database.indexes.postgresql_catalogue import read_catalogue
from perfloop.database.indexes.what_if import WhatIf
from perfloop.database.indexes.write_bill import WrittenTable, measure_write_bills
from perfloop.records import Parameter, WorkloadStatement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from perfloop.records import WriteBill

    Bills = Callable[..., list[WriteBill]]

pytestmark = pytest.mark.services

OPTIONS = IndexOptions(write_rows=50, write_rounds=3, write_growths=2)
SCHEMA = """
CREATE TABLE orders (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id integer NOT NULL, status text,
    placed_at timestamptz NOT NULL DEFAULT now(), data jsonb,
    twice integer GENERATED ALWAYS AS (customer_id * 2) STORED);
INSERT INTO orders (customer_id, status, data)
    SELECT n * 7919 % 2000, 'paid', '{"a": [1]}' FROM generate_series(1, 9000) n;
CREATE TABLE "Small" (id integer PRIMARY KEY, "Name" text);
INSERT INTO "Small" SELECT n, 'name ' || n FROM generate_series(1, 100) n;
CREATE TABLE nothing (id integer PRIMARY KEY, name text);
CREATE TABLE event (id integer, kind text) PARTITION BY RANGE (id);
CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (100000);
INSERT INTO event SELECT n, 'kind ' || n % 50 FROM generate_series(1, 9000) n;
"""
BY_CUSTOMER = IndexDefinition("public", "orders", (IndexKey("customer_id"),))
PAID = IndexDefinition(
    "public", "orders", (IndexKey("placed_at"),), where="status = 'paid'", referred=frozenset({"status"})
)
INSERT = "INSERT INTO orders (customer_id, status, placed_at, data) VALUES ($1, 'open', now(), $2)"
UPDATE = "UPDATE orders SET status = $1 WHERE id = $2"


@pytest.fixture(scope="module")
def bills() -> Iterator[Bills]:
    """Measures the bills of one table's indexes; checks that nothing but the table is left."""
    with run_local_server() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(SCHEMA)
            connection.execute("VACUUM (ANALYZE)")
        with open_database(server.dsn(), writable=True) as database:
            clone = WhatIf(database.connection, statement_seconds=5.0)
            catalogue = read_catalogue(database.connection)

            def bills(
                *definitions: IndexDefinition,
                statements: tuple[WorkloadStatement, ...] = (),
                options: IndexOptions = OPTIONS,
            ) -> list[WriteBill]:
                for each in definitions:
                    clone.build(each)
                judged = [Judged(each, analyse(each.sql, catalogue), ()) for each in statements]
                updates = [
                    (write.columns, float(each.statement.calls))
                    for each in judged
                    if (write := each.analysis.write) is not None and write.kind == "update"
                ]
                table = catalogue.tables[definitions[0].schema, definitions[0].table]
                written = WrittenTable(table, definitions, updates=updates, statements=judged)
                found = measure_write_bills(clone, [written], options)
                after = read_catalogue(database.connection)
                assert after.tables.keys() == catalogue.tables.keys()
                assert [each.sql for each in after.tables[table.key].indexes] == [each.sql for each in table.indexes]
                return [found[each] for each in definitions]

            yield bills
            clone.close()


def captured(sql: str, *rows: tuple[object, ...]) -> WorkloadStatement:
    parameters = [[Parameter(type=type(each).__name__, value=each) for each in row] for row in rows]
    kind = "insert" if sql.startswith("INSERT") else "update"
    return WorkloadStatement(fingerprint=sql, sql=sql, kind=kind, calls=100, parameters=parameters)  # type: ignore[arg-type]


def test_the_newest_rows_are_held_back_and_each_index_is_billed_beside_those_before(bills: Bills) -> None:
    first, second = bills(BY_CUSTOMER, PAID)
    assert (first.source, second.source) == ("held back", "held back")
    assert (first.beside, second.beside) == ([], [BY_CUSTOMER.name])
    for each in (first, second):
        assert each.insert_us is not None
        assert each.insert_us_interval is not None
        assert each.insert_us_interval[0] <= each.insert_us <= each.insert_us_interval[1]
        assert each.insert_wal_bytes is not None
        assert each.insert_wal_bytes > 30
        assert (each.update_us, each.why_not) == (None, None)
        assert each.rows >= 2 * 800


def test_rows_that_the_workload_kept_are_written_again(bills: Bills) -> None:
    inserts = captured(INSERT, *((n, '{"a": 1}') for n in range(30)))
    updates = captured(UPDATE, *((f"state {n}", n) for n in range(30)))
    by_customer, paid = bills(BY_CUSTOMER, PAID, statements=(inserts, updates))
    assert (by_customer.source, by_customer.update_source) == ("captured", "captured")
    assert by_customer.insert_wal_bytes is not None
    assert by_customer.insert_wal_bytes > 30
    # All of them are open, so that the index of what is paid holds none.
    assert paid.insert_wal_bytes == pytest.approx(0.0, abs=3)
    assert paid.lost_hot_columns == ["status"]
    assert paid.why_not is None


def test_a_few_executions_are_no_workload(bills: Bills) -> None:
    few = captured(INSERT, *((n, '{"a": 1}') for n in range(5)))
    redacted = captured(UPDATE)
    [bill] = bills(BY_CUSTOMER, statements=(few, redacted))
    assert (bill.source, bill.update_source) == ("held back", "generated")


@pytest.mark.parametrize(("table", "column"), [("Small", "Name"), ("event", "kind")])
def test_rows_are_made_up_for_small_and_partitioned_tables(bills: Bills, table: str, column: str) -> None:
    [bill] = bills(IndexDefinition("public", table, (IndexKey(column),)))
    assert (bill.source, bill.why_not) == ("generated", None)
    assert bill.insert_wal_bytes is not None
    assert bill.insert_wal_bytes > 30


def test_what_cannot_be_measured_is_said(bills: Bills) -> None:
    [bill] = bills(IndexDefinition("public", "nothing", (IndexKey("name"),)))
    assert (bill.source, bill.insert_us, bill.rows) == ("not measured", None, 0)
    assert bill.why_not == "inserts: nothing has no rows to take as an example"
    [late] = bills(BY_CUSTOMER, options=IndexOptions(write_seconds=-1.0))
    assert late.why_not == "inserts: the -1 s for write bills were over"
