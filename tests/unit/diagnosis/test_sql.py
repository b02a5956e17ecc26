from __future__ import annotations

import sqlite3

import pytest

from perfloop.diagnosis.sql import IndexProposal, propose_index, scanned_tables

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, status TEXT, placed INT, total INT);
CREATE TABLE item (id INTEGER PRIMARY KEY, order_id INT, name TEXT);
CREATE TABLE "order line" (id INTEGER PRIMARY KEY, "group" INT);
"""
COLUMNS = {
    "orders": ["rowid:id", "customer_id", "status", "placed", "total"],
    "item": ["rowid:id", "order_id", "name"],
    "order line": ["rowid:id", "group"],
}


def plan_of(statement: str) -> list[str]:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    try:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", [1] * statement.count("?"))]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("statement", "table", "columns"),
    [
        ("SELECT * FROM item WHERE order_id = ?", "item", ("order_id",)),
        ("SELECT * FROM item WHERE ? = item.order_id", "item", ("order_id",)),
        ('SELECT * FROM "item" WHERE "item"."order_id" = ?', "item", ("order_id",)),
        ("SELECT * FROM item AS item_1 WHERE item_1.order_id = ?", "item", ("order_id",)),
        ("SELECT * FROM item i WHERE i.order_id IN (?, ?)", "item", ("order_id",)),
        ("SELECT * FROM orders WHERE customer_id = ? AND placed > ?", "orders", ("customer_id", "placed")),
        ("SELECT * FROM orders WHERE placed > ? AND customer_id = ?", "orders", ("customer_id", "placed")),
        ("SELECT * FROM orders WHERE placed BETWEEN ? AND ?", "orders", ("placed",)),
        (
            "SELECT * FROM orders WHERE customer_id = ? ORDER BY placed DESC LIMIT 5",
            "orders",
            ("customer_id", "placed"),
        ),
        ("SELECT * FROM orders WHERE customer_id = ? ORDER BY id DESC", "orders", ("customer_id",)),
        ("SELECT * FROM orders ORDER BY placed DESC LIMIT 10", "orders", ("placed",)),
        ("SELECT * FROM orders ORDER BY placed DESC, status LIMIT 10", "orders", ("placed DESC", "status")),
        ("SELECT * FROM orders JOIN item ON item.order_id = orders.id WHERE orders.id = ?", "item", ("order_id",)),
        ("SELECT * FROM orders LEFT JOIN item ON item.order_id = orders.id", "item", ("order_id",)),
        ("SELECT * FROM orders WHERE id IN (SELECT order_id FROM item WHERE name = ?)", "item", ("name",)),
        ("SELECT count(*) FROM orders WHERE status = ?", "orders", ("status",)),
        ('SELECT * FROM "order line" WHERE "group" = ?', "order line", ("group",)),
    ],
)
def test_proposes(statement, table, columns) -> None:
    proposal = propose_index(statement, plan_of(statement), COLUMNS)
    assert proposal == IndexProposal(table, columns)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM orders WHERE id = ?",
        "SELECT count(*) FROM orders",
        "SELECT * FROM orders",
        "SELECT * FROM orders WHERE status = ? OR placed = ?",
        "SELECT * FROM orders WHERE lower(status) = ?",
        "SELECT * FROM orders WHERE status LIKE ?",
        "SELECT * FROM orders WHERE status != ?",
        "SELECT status, count(*) FROM orders GROUP BY status",
        "SELECT 1",
    ],
)
def test_proposes_nothing(statement) -> None:
    assert propose_index(statement, plan_of(statement), COLUMNS) is None


def test_an_index_that_is_there_needs_no_proposal() -> None:
    assert propose_index("SELECT * FROM item WHERE order_id = ?", ["SEARCH item USING INDEX ix (order_id=?)"]) is None


def test_statement_is_valid_sql_and_quotes_what_needs_it() -> None:
    proposal = IndexProposal("order line", ("group", "id DESC"))
    assert proposal.statement == 'CREATE INDEX ix_order_line_group_id ON "order line" ("group", id DESC)'
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    connection.execute(proposal.statement)
    connection.close()


def test_scanned_tables_know_aliases_and_automatic_indices() -> None:
    assert scanned_tables(["SCAN orders", "SEARCH item USING INTEGER PRIMARY KEY (rowid=?)"]) == ["orders"]
    assert scanned_tables(["SCAN TABLE item AS i"]) == ["i"]
    assert scanned_tables(["SEARCH item USING AUTOMATIC COVERING INDEX (order_id=?) LEFT-JOIN"]) == ["item"]
    assert scanned_tables(["SCAN CONSTANT ROW"]) == []
