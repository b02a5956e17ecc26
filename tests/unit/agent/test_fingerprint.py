"""One fingerprint for statements that differ in values only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.agent.fingerprint import fingerprint

CASES = [
    ("SELECT * FROM item WHERE id = 7", "SELECT * FROM item WHERE id = ?"),
    ("SELECT * FROM item WHERE id = ?", "SELECT * FROM item WHERE id = ?"),
    ("select  a,\n\tb from t ;", "select a, b from t"),
    ("SELECT 'it''s', 1.5e3, 0xff, x'00ff'", "SELECT ?, ?, ?, ?"),
    ("SELECT a FROM t WHERE b = -3 AND c > - 2.5", "SELECT a FROM t WHERE b = ? AND c > ?"),
    ("SELECT a - 1 FROM t", "SELECT a - ? FROM t"),
    ("SELECT a FROM t WHERE b IN (1, 2,3)", "SELECT a FROM t WHERE b IN (?)"),
    ("SELECT a FROM t WHERE b in (?)", "SELECT a FROM t WHERE b in (?)"),
    ("SELECT a FROM t WHERE b IN (:b_1, :b_2)", "SELECT a FROM t WHERE b IN (?)"),
    ("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y'), (3, 'z')", "INSERT INTO t (a, b) VALUES (?, ?)"),
    ("INSERT INTO t VALUES (?, ?)", "INSERT INTO t VALUES (?, ?)"),
    ("SELECT a -- why\nFROM t /* here */ WHERE x = @y", "SELECT a FROM t WHERE x = ?"),
    ('SELECT "col 1", [col 2], `col3` FROM t2 WHERE a1 = $1', 'SELECT "col 1", [col 2], `col3` FROM t2 WHERE a1 = ?'),
    ("SELECT a FROM t LIMIT 10 OFFSET 20", "SELECT a FROM t LIMIT ? OFFSET ?"),
    ("SELECT a FROM t WHERE b = %s AND c = %(name)s", "SELECT a FROM t WHERE b = ? AND c = ?"),
    ("SELECT a FROM t WHERE b IN ($1::INTEGER, $2::INTEGER)", "SELECT a FROM t WHERE b IN (?)"),
    ("SELECT %(x)s::VARCHAR(9), $1::TIMESTAMP WITHOUT TIME ZONE, $2::int[]", "SELECT ?, ?, ?"),
    ("SELECT a::text FROM t", "SELECT a::text FROM t"),
    ("SELECT 'never closed", "SELECT ?"),
    ("SELECT $$it's $1$$, $tag$ $$ ; $tag$, $2", "SELECT ?, ?, ?"),
    ("", ""),
]


@pytest.mark.parametrize(("sql", "expected"), CASES)
def test_fingerprint(sql: str, expected: str) -> None:
    assert fingerprint(sql) == expected


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30), st.text(max_size=20))
def test_values_do_not_matter(numbers: list[int], text: str) -> None:
    quoted = text.replace("'", "''")
    sql = f"SELECT a FROM t WHERE b IN ({', '.join(map(str, numbers))}) AND c = '{quoted}'"
    assert fingerprint(sql) == "SELECT a FROM t WHERE b IN (?) AND c = ?"


@given(st.text(max_size=300))
def test_any_text_is_bounded_and_settled(sql: str) -> None:
    once = fingerprint(sql)
    assert len(once) <= 2_000


def test_a_long_statement_takes_a_bounded_effort() -> None:
    assert len(fingerprint("SELECT " + ", ".join(f"column_{n}" for n in range(50_000)))) == 2_000
