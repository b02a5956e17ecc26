"""Index advice on real SQLite files."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database import capture_sql, clone_database, open_database
from perfloop.database.advise import advise as advise_all
from perfloop.database.indexes import IndexOptions, advise_indexes
from perfloop.records import Parameter, WorkloadRecord, WorkloadStatement, current_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from perfloop.records.index_advice import AdvisedIndex, IndexAdvice

    Advise = Callable[..., IndexAdvice]

OPTIONS = IndexOptions(write_rows=40, write_rounds=3)

SCHEMA = """
CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL, country TEXT NOT NULL, deleted_at TEXT,
    name TEXT NOT NULL, loud TEXT GENERATED ALWAYS AS (upper(email)) VIRTUAL);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer, status TEXT NOT NULL,
    created_at TEXT NOT NULL, total NUMERIC NOT NULL, note TEXT);
CREATE TABLE "Order Line" ("Order" INTEGER, "No" INTEGER, price NUMERIC, "Product" INTEGER,
    PRIMARY KEY ("Order", "No")) WITHOUT ROWID;
CREATE TABLE empty (id INTEGER PRIMARY KEY, x INTEGER);
CREATE VIEW open_order AS SELECT * FROM orders WHERE status = 'open';
CREATE VIRTUAL TABLE note USING fts5(body);
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
INSERT INTO customer (email, country, deleted_at, name)
    SELECT 'User' || n || '@example.com', CASE WHEN n % 100 = 0 THEN 'CH' ELSE 'US' END,
        CASE WHEN n % 200 = 0 THEN date('2024-01-01', n || ' minutes') END, 'Name ' || n FROM n;
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
INSERT INTO orders (customer_id, status, created_at, total, note)
    SELECT 1 + n * 7919 % 5000, CASE WHEN n % 500 = 0 THEN 'open' ELSE 'paid' END,
        datetime('2024-01-01', (n * 5) || ' minutes'), n % 1000, 'a note of some length, as notes are ' || n FROM n;
WITH RECURSIVE n(n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
INSERT INTO "Order Line" SELECT n / 3, n % 3, 1, n * 31 % 2000 FROM n;
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all that has to be survived."""
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
    return path


@pytest.fixture
def shop(template: Path, tmp_path: Path) -> Path:
    """A copy of it for each test."""
    path = tmp_path / "shop.sqlite3"
    path.write_bytes(template.read_bytes())
    return path


@pytest.fixture
def advise(shop: Path) -> Advise:
    """Advises on the file; checks that neither it nor the copy has changed."""

    def advise(*statements: tuple[int, str], options: IndexOptions = OPTIONS, source: str = "sql") -> IndexAdvice:
        before = shop.read_bytes()
        with open_database(str(shop)) as database, clone_database(database) as clone:
            schema = clone.database.rows("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")
            found = advise_indexes(database, workload(*statements), clone=clone.database, options=options)
            after = clone.database.rows("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'")
            assert sorted(after, key=str) == sorted(schema, key=str)
            assert clone.database.rows("PRAGMA integrity_check") == [("ok",)]
        assert shop.read_bytes() == before
        return found

    return advise


def workload(*statements: tuple[int, str], parameters: tuple[tuple[Parameter, ...], ...] = ()) -> WorkloadRecord:
    return WorkloadRecord(
        environment=current_environment(),
        dialect="sqlite",
        source="sql",
        statements=[
            WorkloadStatement(
                fingerprint=sql,
                sql=sql,
                kind=sql.split()[0].lower(),  # type: ignore[arg-type]
                calls=calls,
                parameters=[list(each) for each in parameters],
            )
            for calls, sql in statements
        ],
    )


def keys(advice: IndexAdvice) -> list[tuple[str, ...]]:
    return [tuple(each.keys) for each in advice.advised]


def only(advice: IndexAdvice) -> AdvisedIndex:
    (found,) = advice.advised
    return found


def test_a_single_column(advise: Advise) -> None:
    found = only(advise((9, "SELECT * FROM orders WHERE customer_id = ?")))
    assert found.create_sql == "CREATE INDEX orders_customer_id_idx ON orders (customer_id)"
    assert found.drop_sql == "DROP INDEX orders_customer_id_idx"
    assert found.reason == "customer_id is compared with ="
    assert found.cost_after < found.cost_before / 20
    assert found.buffers_after is not None
    assert found.buffers_before is not None
    assert found.buffers_after < found.buffers_before / 5
    assert found.size_bytes > 50_000
    (gain,) = found.statements
    assert gain.cost_after < gain.cost_before / 20


def test_equality_comes_before_what_gives_the_order(advise: Advise) -> None:
    advice = advise((9, "SELECT * FROM orders WHERE customer_id = ? ORDER BY created_at DESC LIMIT 5"))
    assert keys(advice)[0][:1] == ("customer_id",)
    advice = advise((9, "SELECT * FROM orders WHERE status = 'paid' ORDER BY created_at DESC LIMIT 5"))
    assert "created_at" in only(advice).keys


def test_a_join_and_the_columns_that_let_an_index_answer_alone(advise: Advise) -> None:
    found = advise(
        (5, "SELECT c.email, sum(o.total) FROM customer c JOIN orders o ON o.customer_id = c.id WHERE c.email = ?"),
    )
    assert ("email",) in keys(found)
    assert ("customer_id", "total") in keys(found)


def test_a_condition_that_every_execution_asks(advise: Advise) -> None:
    found = only(advise((9, "SELECT id, total FROM orders WHERE status = 'open' ORDER BY created_at LIMIT 50")))
    assert found.where == "status = 'open'"
    assert found.size_bytes < 20_000


def test_an_expression(advise: Advise) -> None:
    assert keys(advise((9, "SELECT id FROM customer WHERE lower(email) = lower(?)"))) == [("(LOWER(email))",)]


def test_prefixes_need_an_index_that_is_blind_to_case(advise: Advise) -> None:
    assert keys(advise((9, "SELECT * FROM customer WHERE name LIKE 'Name 49%'"))) == [("name COLLATE NOCASE",)]


def test_names_in_quotes_and_a_table_without_rowid(advise: Advise) -> None:
    found = only(advise((9, 'SELECT sum(price) FROM "Order Line" WHERE "product" = ?')))
    assert found.create_sql.startswith("CREATE INDEX order_line_product_")
    assert '"Order Line" ("Product", price)' in found.create_sql
    # What every index of it ends with anyway is not named.
    assert only(advise((9, 'SELECT "Order" FROM "Order Line" WHERE "Product" = ?'))).keys == ['"Product"']


def test_views_and_generated_columns(advise: Advise) -> None:
    assert only(advise((9, "SELECT * FROM open_order WHERE customer_id = ?"))).table == "orders"
    assert only(advise((9, "SELECT id FROM customer WHERE loud = ?"))).table == "customer"


def test_no_index_is_an_answer(advise: Advise) -> None:
    advice = advise((9, "SELECT count(*), avg(length(note)) FROM orders"), (9, "SELECT * FROM empty WHERE x = 3"))
    assert advice.advised == []


def test_what_writes_pay_is_weighed(advise: Advise) -> None:
    read = (1_000, "SELECT * FROM orders WHERE customer_id = ?")
    write = "INSERT INTO orders (customer_id, status, created_at, total) VALUES (1, 'paid', '2025-01-01', 3)"
    assert keys(advise(read, (10, write))) == [("customer_id",)]
    assert advise(read, (1_000_000_000, write)).advised == []
    update = "UPDATE orders SET customer_id = 7 WHERE id = 9"
    assert advise(read, (1_000_000_000, update)).advised == []
    assert keys(advise(read, (1_000, "UPDATE orders SET note = 'x' WHERE id = 9"))) == [("customer_id",)]


def test_an_insert_of_what_is_there_already_is_tried_with_fresh_keys(advise: Advise) -> None:
    insert = 'INSERT INTO "Order Line" ("Order", "No", price, "Product") VALUES (1, 0, 3, 4)'
    read = (1_000, 'SELECT * FROM "Order Line" WHERE "Product" = ?')
    assert only(advise(read, (1_000, insert))).keys[0] == '"Product"'
    assert advise(read, (1_000_000_000, insert)).advised == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM other.orders WHERE x = 1", "it reads no table of this file"),
        ("SELECT * FROM gone WHERE x = 1", "it reads no table of this file"),
        ("SELECT FROM WHERE", "Expected"),
        ("SELECT shout(email) FROM customer WHERE id = 3", "no such function: shout"),
        ("SELECT missing FROM customer WHERE id = 3", "no such column: missing"),
        ("SELECT id FROM customer WHERE email ILIKE 'secret'", "near …: syntax error"),
        ("VACUUM", "no SELECT, INSERT, UPDATE or DELETE"),
        ("UPDATE customer SET id = 2 WHERE id = 1", "UNIQUE constraint failed"),
    ],
)
def test_what_cannot_be_judged_is_left_out_with_a_reason(sql: str, said: str, advise: Advise) -> None:
    advice = advise((1, sql), (9, "SELECT * FROM orders WHERE customer_id = ?"))
    assert keys(advice) == [("customer_id",)]
    (line,) = advice.left_out
    assert said in line
    assert "secret" not in line.partition(": ")[2]


def test_kept_values_are_tried(shop: Path) -> None:
    parameters = ((Parameter(type="int", value=7),),)
    asked = workload((9, "SELECT * FROM orders WHERE customer_id = ?"), parameters=parameters)
    with open_database(str(shop)) as database, clone_database(database) as clone:
        advice = advise_indexes(database, asked, clone=clone.database, options=OPTIONS)
    assert (keys(advice), advice.values) == ([("customer_id",)], "")


def test_a_budget_of_size(advise: Advise) -> None:
    asked = [(9, "SELECT * FROM orders WHERE customer_id = ?"), (9, "SELECT * FROM customer WHERE email = ?")]
    assert len(advise(*asked).advised) == 2
    assert len(advise(*asked, options=IndexOptions(write_rows=40, write_rounds=3, size_budget=200_000)).advised) == 1


def test_a_statement_that_does_not_end(advise: Advise) -> None:
    sql = "SELECT count(*) FROM orders a, orders b, customer c WHERE a.note < b.note AND c.name > b.note"
    advice = advise(
        (1, sql),
        (9, "SELECT * FROM orders WHERE customer_id = ?"),
        options=IndexOptions(write_rows=40, write_rounds=3, statement_seconds=0.05, search_seconds=5.0),
    )
    assert advice.buffers_before is None


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_journal_of_either_kind_and_a_file_that_may_only_be_read(mode: str, shop: Path, advise: Advise) -> None:
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    shop.chmod(0o444)
    assert keys(advise((9, "SELECT * FROM orders WHERE customer_id = ?"))) == [("customer_id",)]


def test_what_writers_pay_and_the_time_in_turns(advise: Advise) -> None:
    update = "UPDATE orders SET customer_id = 7 WHERE id = 9"
    found = only(advise((900, "SELECT * FROM orders WHERE customer_id = ?"), (1, update)))
    bill = found.write_bill
    assert (bill.source, bill.why_not, bill.rows) == ("generated", None, 120)
    assert bill.insert_us is not None
    assert bill.update_us is not None
    assert bill.insert_us_interval is not None
    gain = found.statements[0]
    assert gain.ms_before is not None
    assert gain.ms_after is not None


def test_a_bill_that_cannot_be_measured_says_why(shop: Path, advise: Advise) -> None:
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        connection.execute("CREATE TRIGGER no_more BEFORE INSERT ON orders BEGIN SELECT raise(ABORT, 'closed'); END")
    bill = only(advise((9, "SELECT * FROM orders WHERE customer_id = ?"))).write_bill
    assert (bill.source, bill.insert_us) == ("not measured", None)
    assert "closed" in (bill.why_not or "")


def test_bills_end_with_their_time(advise: Advise) -> None:
    options = IndexOptions(write_rows=40, write_rounds=3, write_seconds=0.0)
    bill = only(advise((9, "SELECT * FROM orders WHERE customer_id = ?"), options=options)).write_bill
    assert (bill.source, bill.rows) == ("not measured", 0)
    assert "the 0 s for write bills were over" in (bill.why_not or "")


def test_rows_of_megabytes_are_billed_with_a_few_of_them(shop: Path, advise: Advise) -> None:
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        connection.execute("CREATE TABLE page (id INTEGER PRIMARY KEY, site INTEGER, body BLOB)")
        connection.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 40)"
            "INSERT INTO page SELECT n, n % 9, randomblob(1000000) FROM n"
        )
        connection.commit()
    bill = only(advise((9, "SELECT id, site FROM page WHERE site = ?"))).write_bill
    assert (bill.source, bill.why_not) == ("generated", None)
    assert 0 < bill.rows <= OPTIONS.write_rows * OPTIONS.write_rounds


def test_indexes_that_others_make_superfluous(shop: Path, advise: Advise) -> None:
    with contextlib.closing(sqlite3.connect(shop)) as connection:
        connection.executescript(
            "CREATE INDEX by_id ON orders (id); CREATE INDEX one ON orders (status);"
            "CREATE INDEX longer ON orders (status, created_at); CREATE INDEX again ON orders (status, created_at);"
            "CREATE UNIQUE INDEX kept ON customer (email);"
        )
    advice = advise((9, "SELECT * FROM orders WHERE status = 'open' AND created_at > '2024-02-01'"))
    assert {each.name: (each.kind, each.drop_sql) for each in advice.droppable} == {
        "by_id": ("duplicate", "DROP INDEX by_id"),
        "one": ("redundant", "DROP INDEX one"),
        "again": ("duplicate", "DROP INDEX again"),
    }
    assert all(each.create_sql.startswith("CREATE INDEX") for each in advice.droppable)


def test_a_full_scan_is_right_where_all_rows_are_wanted(advise: Advise) -> None:
    advice = advise((9, "SELECT count(*), max(length(o.note)), sum(o.total + o.customer_id) FROM orders o"))
    (scan,) = advice.sequential_scans
    assert (scan.table, scan.rows, scan.share) == ("orders", 12_000, None)
    assert scan.reason.startswith("every row is wanted")


def test_an_older_library_is_called_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    workload = capture_sql("SELECT * FROM t WHERE a = 1", "sqlite")
    with open_database(str(path)) as database:
        record = advise_all(database, workload)
    assert record.indexes is None
    assert "indexes: Index advice needs SQLite 3.37 or newer" in record.left_out[0]
