"""Right rewrites pass and wrong ones fall, on SQLite; tests/integration/database runs the same pairs on PostgreSQL."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database import Database, Limits, open_database
from perfloop.database.rewrites import ProofOptions, prove

from .pairs import OPTIMISED, RIGHT, SCHEMA, WRONG, Pair

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def make(path: Path, script: str = SCHEMA, limits: Limits | None = None) -> Database:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return open_database(str(path), writable=True, limits=limits)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Database]:
    with make(tmp_path / "shop.sqlite3") as database:
        yield database


def on_sqlite(pairs: tuple[Pair, ...]) -> list[Pair]:
    return [pair for pair in pairs if pair.only in (None, "sqlite")]


def test_there_are_pairs_enough() -> None:
    assert len(on_sqlite(RIGHT)) >= 20
    assert len(on_sqlite(WRONG)) >= 20


@pytest.mark.parametrize("pair", on_sqlite(RIGHT), ids=lambda pair: pair.name)
def test_a_right_rewrite_is_not_rejected(clone: Database, pair: Pair) -> None:
    proof = prove(clone, pair.original, pair.rewrite.format(None, ":p1", ":p2"), measured=False)
    assert proof.verdict == "no difference", proof
    assert proof.datasets >= 60
    assert proof.answered_rows > 0
    assert proof.counterexample is None


@pytest.mark.parametrize("pair", on_sqlite(WRONG), ids=lambda pair: pair.name)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_wrong_rewrite_is_rejected_with_a_counterexample(clone: Database, pair: Pair, seed: int) -> None:
    proof = prove(
        clone,
        pair.original,
        pair.rewrite.format(None, ":p1", ":p2"),
        measured=False,
        options=ProofOptions(seed=seed),
    )
    assert proof.verdict == "rejected", proof
    assert proof.counterexample is not None
    assert proof.counterexample.what


@pytest.mark.parametrize("pair", OPTIMISED, ids=lambda pair: pair.name)
def test_what_an_optimiser_once_made_of_a_statement_is_rejected(clone: Database, pair: Pair) -> None:
    proof = prove(clone, pair.original, pair.rewrite, measured=False)
    assert proof.verdict == "rejected", proof


def test_large_counts_are_shown_as_they_were_tried(clone: Database) -> None:
    original = "SELECT id FROM customers ORDER BY id LIMIT 20 OFFSET 1000"
    proof = prove(clone, original, original.replace("1000", "999"), measured=False)
    assert proof.verdict == "rejected"
    assert proof.counterexample is not None
    assert len(proof.counterexample.statements) == 2
    assert "1000" not in proof.counterexample.statements[0]


def test_a_rewrite_without_the_order_is_rejected_whatever_the_rows_show(clone: Database) -> None:
    proof = prove(clone, "SELECT id FROM orders ORDER BY id", "SELECT id FROM orders", measured=False)
    assert proof.verdict == "rejected"
    assert "order" in proof.reason


def test_a_counterexample_is_as_small_as_it_gets_and_can_be_tried(clone: Database) -> None:
    original = "SELECT city FROM customers WHERE id IN (SELECT customer_id FROM orders)"
    rewrite = "SELECT DISTINCT c.city FROM customers c JOIN orders o ON o.customer_id = c.id"
    proof = prove(clone, original, rewrite, measured=False)
    assert proof.counterexample is not None
    rows = proof.counterexample.tables
    # Two customers of one city with an order each: fewer rows show nothing.
    assert {table: len(held) for table, held in rows.items()} == {"customers": 2, "orders": 2}
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    for table, held in rows.items():
        for row in held:
            connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(row.values())})")
    assert len(connection.execute(original).fetchall()) == 2
    assert len(connection.execute(rewrite).fetchall()) == 1
    connection.close()


@pytest.mark.parametrize(
    ("original", "rewrite", "why"),
    [
        ("SELECT random() FROM orders", "SELECT random() FROM orders", "random() is volatile"),
        ("SELECT id FROM orders WHERE placed > CURRENT_TIMESTAMP", "SELECT id FROM orders", "reads the clock"),
        ("SELECT id FROM orders WHERE placed > datetime('now')", "SELECT id FROM orders", "'now' reads the clock"),
        ("SELECT id FROM orders ORDER BY total LIMIT 5", "SELECT id FROM orders", "LIMIT without a total order"),
        ("SELECT id, row_number() OVER (ORDER BY total) FROM orders", "SELECT id, 1 FROM orders", "counts rows"),
        ("SELECT group_concat(status) FROM orders", "SELECT group_concat(status) FROM orders", "collects rows"),
        ("SELECT status, total FROM orders GROUP BY status", "SELECT status, 1 FROM orders", "neither grouped"),
        ("DELETE FROM orders", "SELECT 1", "does not only read"),
        ("SELECT 1", "UPDATE orders SET total = 0", "does not only read"),
        ("SELECT 1; SELECT 2", "SELECT 1", "found 2"),
        ("SELEC id FROM orders", "SELECT id FROM orders", "cannot be parsed"),
        ("SELECT id FROM nowhere", "SELECT id FROM nowhere", "there is none"),
        ("SELECT weight FROM orders", "SELECT weight FROM orders", "no such column"),
        ("SELECT id FROM orders WHERE total > 5 AND total < 5", "SELECT id FROM orders WHERE 1 = 0", "hardly ever"),
        ("SELECT id FROM other.orders", "SELECT id FROM orders", "main database"),
    ],
)
def test_what_cannot_be_proven_says_why(clone: Database, original: str, rewrite: str, why: str) -> None:
    proof = prove(clone, original, rewrite)
    assert proof.verdict == "not provable", proof
    assert why in proof.reason


def test_nothing_is_written_to_the_database(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite3"
    script = SCHEMA + "INSERT INTO customers VALUES (1, 'a@b', 'Rome', 0, '2024-01-01', NULL);"
    with make(path, script) as clone:
        before = path.read_bytes()
        proof = prove(
            clone,
            "SELECT id FROM customers WHERE city = 'Rome'",
            "SELECT id FROM customers WHERE 'Rome' = city",
            needs=["CREATE INDEX customers_city ON customers (city)"],
        )
        assert proof.snapshot_rows == 1
        assert not clone.connection.in_transaction
    assert path.read_bytes() == before


def test_the_same_program_is_no_difference_for_certain(clone: Database) -> None:
    proof = prove(clone, "SELECT id FROM orders WHERE total > 5", "SELECT id FROM orders WHERE (total > 5)")
    assert proof.verdict == "no difference"
    assert "plans both alike" in proof.reason


def test_a_statement_that_takes_for_ever_is_ended_and_said(tmp_path: Path) -> None:
    script = """CREATE TABLE numbers (n integer PRIMARY KEY);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)
        INSERT INTO numbers SELECT n FROM c;"""
    sql = "SELECT count(*) AS n FROM numbers a, numbers b, numbers c WHERE a.n + b.n + c.n > 1"
    with make(tmp_path / "numbers.sqlite3", script, Limits(statement=0.05)) as clone:
        proof = prove(clone, sql, sql.replace("> 1", ">= 2"))
    assert proof.verdict == "not enough data"
    assert "each takes more than 0.0" in proof.reason
    assert proof.snapshot_rows is None
    assert any("was cut, A statement was ended after 0.05 s" in each for each in proof.assumptions)


# The one looks values up in a set, in a fiftieth of its time; the other looks at every row for every row, which takes
# many times the time given.
QUICK = "SELECT n FROM numbers a WHERE n IN (SELECT n FROM numbers)"
ENDLESS = "SELECT n FROM numbers a WHERE EXISTS (SELECT 1 FROM numbers b WHERE b.n + 0 = a.n + 0)"


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Database]:
    script = """CREATE TABLE numbers (n integer NOT NULL);
        WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
        INSERT INTO numbers SELECT n FROM c;"""
    with make(tmp_path / "numbers.sqlite3", script) as database:
        yield database


@pytest.mark.parametrize(
    ("original", "rewrite", "verdict", "name"),
    [(QUICK, ENDLESS, "slower", "rewrite"), (ENDLESS, QUICK, "faster", "original")],
    ids=["the rewrite", "the original"],
)
def test_the_one_that_takes_for_ever_is_ended_and_the_other_measured(
    numbers: Database, original: str, rewrite: str, verdict: str, name: str
) -> None:
    proof = prove(numbers, original, rewrite, options=ProofOptions(seconds=2.0))
    assert proof.verdict == verdict
    assert f"the {name} takes more than" in proof.reason
    assert proof.ended_ms is not None
    assert (proof.before_ms is None, proof.after_ms is None) == (name == "original", name == "rewrite")
    assert any("comparing all of them was cut" in each for each in proof.assumptions)
    assert not numbers.connection.in_transaction
    assert numbers.limits == Limits()


def test_a_view_and_a_generated_column_are_made_anew(tmp_path: Path) -> None:
    script = """CREATE TABLE "Order Lines" (id integer PRIMARY KEY, price integer NOT NULL, amount integer NOT NULL,
            total integer GENERATED ALWAYS AS (price * amount) STORED);
        CREATE VIEW dear AS SELECT id, total FROM "Order Lines" WHERE total > 6;"""
    asked = "SELECT id FROM dear"
    with make(tmp_path / "lines.sqlite3", script) as clone:
        right = prove(clone, asked, 'SELECT id FROM "Order Lines" WHERE price * amount > 6', measured=False)
        wrong = prove(clone, asked, 'SELECT id FROM "Order Lines" WHERE price > 6', measured=False)
    assert (right.verdict, wrong.verdict) == ("no difference", "rejected")
