"""What counts rows, or collects them, is determined where its own ORDER BY leaves no ties."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from perfloop.database import Database, open_database
from perfloop.database.rewrites import parse, prove
from perfloop.database.rewrites.determinism import undetermined
from perfloop.database.rewrites.sqlite_engine import SQLiteEngine

from .pairs import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNING = "sum(total) OVER ({} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Database]:
    connection = sqlite3.connect(tmp_path / "shop.sqlite3")
    connection.executescript(SCHEMA)
    connection.close()
    with open_database(str(tmp_path / "shop.sqlite3"), writable=True) as database:
        yield database


@pytest.mark.parametrize(
    ("selected", "decided"),
    [
        (RUNNING.format("ORDER BY id"), True),
        (RUNNING.format("PARTITION BY status ORDER BY placed, id"), True),
        (RUNNING.format("ORDER BY placed"), False),
        (RUNNING.format("PARTITION BY id"), False),
        (RUNNING.format("ORDER BY 1"), False),
        ("row_number() OVER (PARTITION BY customer_id ORDER BY total DESC, id)", True),
        ("row_number() OVER (PARTITION BY customer_id ORDER BY total DESC)", False),
        ("lag(total) OVER (ORDER BY id)", True),
        ("id AS total, lag(status) OVER (ORDER BY total)", False),
        ("group_concat(status ORDER BY id)", True),
        ("group_concat(status ORDER BY placed)", False),
        ("group_concat(status)", False),
    ],
)
def test_ties_are_what_leaves_an_answer_open(clone: Database, selected: str, decided: bool) -> None:
    statement = parse(f"SELECT {selected} FROM orders", "sqlite")
    tables = SQLiteEngine(clone).tables([statement])
    assert (undetermined(statement, tables, frozenset()) == []) == decided


def test_groups_and_joins_decide_as_well(clone: Database) -> None:
    def decided(sql: str) -> bool:
        statement = parse(sql, "postgresql")
        return undetermined(statement, SQLiteEngine(clone).tables([statement]), frozenset()) == []

    assert decided("SELECT order_id, array_agg(product ORDER BY number) FROM lines GROUP BY order_id")
    assert not decided("SELECT product, array_agg(order_id ORDER BY number) FROM lines GROUP BY product")
    assert not decided("SELECT order_id, array_agg(product ORDER BY number) FROM lines GROUP BY ROLLUP (order_id)")
    joined = "FROM orders o JOIN customers c ON c.id = o.customer_id"
    assert decided(f"SELECT array_agg(c.city ORDER BY o.id) {joined}")
    assert not decided(f"SELECT array_agg(c.city ORDER BY c.id) {joined}")


def test_frames_of_rows_are_proven(clone: Database) -> None:
    original = f"SELECT id, {RUNNING.format('ORDER BY id')} AS two FROM orders"
    right = "SELECT id, total + coalesce(lag(total) OVER (ORDER BY id), 0) AS two FROM orders"
    wrong = "SELECT id, total + lag(total) OVER (ORDER BY id) AS two FROM orders"
    assert prove(clone, original, right, measured=False).verdict == "no difference"
    assert prove(clone, original, wrong, measured=False).verdict == "rejected"
