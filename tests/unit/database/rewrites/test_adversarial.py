"""Generated rows keep what can be kept, and hold what fools."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.database import open_database
from perfloop.database.rewrites import parse
from perfloop.database.rewrites.adversarial import Dataset, generate, parents_first
from perfloop.database.rewrites.domains import read_domains
from perfloop.database.rewrites.results import Answer, compare_answers
from perfloop.database.rewrites.scaling import scaled
from perfloop.database.rewrites.sqlite_engine import SQLiteEngine

from .pairs import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from perfloop.database.rewrites.tables import Table

SQL = (
    "SELECT c.id FROM customers c JOIN orders o ON o.customer_id = c.id JOIN lines l ON l.order_id = o.id "
    "WHERE o.total > 100 AND c.city LIKE 'Ro%' AND o.discount = ?"
)


def tables_of(tmp_path: Path) -> list[Table]:
    path = tmp_path / "shop.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    connection.close()
    with open_database(str(path)) as database:
        return parents_first(SQLiteEngine(database).tables([parse(SQL, "sqlite")]))


def datasets(tables: list[Table], seed: int = 0, sets: int = 200) -> list[Dataset]:
    statement = parse(SQL, "sqlite")
    return list(generate(tables, read_domains([statement], tables), 1, seed=seed, sets=sets))


def test_rows_keep_not_null_keys_and_references(tmp_path: Path) -> None:
    tables = tables_of(tmp_path)
    assert [table.name for table in tables] == ["customers", "orders", "lines"]
    for dataset in datasets(tables):
        for table in tables:
            rows = dataset.rows[table.label]
            for column in table.columns:
                assert column.nullable or all(row[column.name] is not None for row in rows)
            for key in table.foreign_keys:
                there = {tuple(row[name] for name in key.parent_columns) for row in dataset.rows[key.parent]}
                for row in rows:
                    wanted = tuple(row[name] for name in key.columns)
                    assert None in wanted or wanted in there


def test_rows_hold_what_fools(tmp_path: Path) -> None:
    drawn = datasets(tables_of(tmp_path))
    orders = [row for dataset in drawn for row in dataset.rows["orders"]]
    customers = [row for dataset in drawn for row in dataset.rows["customers"]]
    assert {100, 101} <= {row["total"] for row in orders}
    assert None in {row["discount"] for row in orders}
    assert {"Ro", "rO"} <= {row["city"] for row in customers}
    assert any(not dataset.rows["orders"] for dataset in drawn)
    assert any(dataset.rows["orders"] and not dataset.rows["lines"] for dataset in drawn)
    # Ties, and a parameter that some row holds.
    assert any(
        len({row["placed"] for row in dataset.rows["orders"]}) < len(dataset.rows["orders"]) for dataset in drawn
    )
    assert any(dataset.parameters[0] in {row["discount"] for row in dataset.rows["orders"]} for dataset in drawn)


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    tables = tables_of(tmp_path)
    assert datasets(tables, sets=20) == datasets(tables, sets=20)
    assert datasets(tables, sets=20) != datasets(tables, seed=1, sets=20)


cells = st.one_of(st.none(), st.integers(0, 2), st.sampled_from(["a", "A", "a "]))
rows = st.lists(st.tuples(cells, cells), max_size=6)


def answer(held: list[tuple[object, ...]]) -> Answer:
    return Answer(("a", "b"), (), held)


@given(rows, st.randoms())
def test_any_order_of_the_same_rows_is_the_same_answer(held: list[tuple[object, ...]], choice: object) -> None:
    shuffled = list(held)
    choice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert compare_answers(answer(held), answer(shuffled)) is None
    ordered = compare_answers(answer(held), answer(shuffled), order=[])
    assert (ordered is None) == (held == shuffled)


@given(rows, rows)
def test_answers_differ_as_their_multisets_do(one: list[tuple[object, ...]], other: list[tuple[object, ...]]) -> None:
    difference = compare_answers(answer(one), answer(other))
    assert (difference is None) == (sorted(map(repr, one)) == sorted(map(repr, other)))
    if difference is not None:
        assert len(difference.only_original) - len(difference.only_rewrite) == len(one) - len(other)


def test_names_count_only_where_the_statement_gives_them() -> None:
    one, other = Answer(("n",), (), []), Answer(("m",), (), [])
    assert compare_answers(one, other, named=[True]) is not None
    assert compare_answers(one, other, named=[False]) is None


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_large_counts_are_scaled_alike_and_keep_their_order(limit: int, offset: int) -> None:
    sql = f"SELECT id FROM t ORDER BY id LIMIT {limit} OFFSET {offset}"
    one, other = scaled(parse(sql, "sqlite"), parse(sql, "sqlite"))
    assert one.sql == other.sql
    small_limit, small_offset = (int(one.tree.args[part].expression.name) for part in ("limit", "offset"))
    assert (small_limit < small_offset) == (limit < offset)
    assert (small_limit == small_offset) == (limit == offset)
    assert max(small_limit, small_offset) <= 3


def test_parameters_of_every_style_are_numbered() -> None:
    cases = {
        ("postgresql", "a = %s AND b = %(x)s AND c = %(x)s"): "a = $1 AND b = $2 AND c = $2",
        ("postgresql", "a = $2 AND b = $1"): "a = $2 AND b = $1",
        # One that touches the next is taken apart, or the parser takes `$1,$` for a quote.
        ("postgresql", "a IN (%s,%s) AND b = '$1,$2'"): "a IN ($1 ,$2 ) AND b = '$1,$2'",
        ("postgresql", "a = $1||$2 AND b = $3::int"): "a = $1 ||$2 AND b = $3 ::int",
        ("postgresql", "a::text = '?' AND d ? 'k' AND b LIKE 'x%'"): "a::text = '?' AND d ? 'k' AND b LIKE 'x%'",
        ("postgresql", "b LIKE '%%x' AND c = %s"): "b LIKE '%x' AND c = $1",
        ("sqlite", "a = ? AND b = :name AND c = ?"): "a = :p1 AND b = :p2 AND c = :p3",
        ("sqlite", "a = ?2 AND b = ?1 -- why?"): "a = :p2 AND b = :p1 -- why?",
        ("sqlite", '"odd?" = ? /* ? */'): '"odd?" = :p1 /* ? */',
    }
    for (dialect, written), numbered in cases.items():
        statement = parse(f"SELECT 1 FROM t WHERE {written}", dialect)  # type: ignore[arg-type]
        assert statement.sql == f"SELECT 1 FROM t WHERE {numbered}"
