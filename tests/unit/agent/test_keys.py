"""Statements that ask by the same values have one number, others another, and none of it shows a value."""

from __future__ import annotations

from typing import Any

import pytest

from perfloop.agent.keys import KEY_BITS, Keys

ONE = ("SELECT a FROM t WHERE id = ?", "SELECT a FROM t WHERE ? = t.id", "SELECT a FROM t WHERE lower(n) = lower(?)")


@pytest.mark.parametrize(
    ("sql", "same", "other"),
    [
        *((sql, ((1,), (1,)), (2,)) for sql in ONE),
        # A page: the same key, another place in its rows.
        ("SELECT a FROM t WHERE b = ? ORDER BY c LIMIT ? OFFSET ?", ((1, 10, 0), (1, 10, 10)), (2, 10, 0)),
        ("SELECT a FROM t WHERE b = %(b)s AND c > %(c)s", ({"b": 1, "c": 1}, {"b": 1, "c": 2}), {"b": 2, "c": 1}),
        ("SELECT a FROM t WHERE b = $2::INT AND c >= $1", ((1, 7), (2, 7)), (1, 8)),
        ("SELECT a FROM t WHERE b BETWEEN ? AND ?", ((1, 2), (1, 2)), (1, 3)),
        ("SELECT a FROM t WHERE b IN (?, ?)", ((1, 2), (1, 2)), (2, 3)),
        # Chunks of a batch with a filter, and one filter for many keys.
        ("SELECT a FROM t WHERE b IN (?, ?) AND c = ?", ((1, 2, 7), (3, 4, 7)), (1, 2, 8)),
        ("SELECT a FROM t WHERE b = ANY($1)", (([1, 2],), ([1, 2],)), ([1, 3],)),
        ("SELECT a FROM t WHERE b LIKE :b", ({"b": "x"}, {"b": "x"}), {"b": "y"}),
    ],
)
def test_the_same_number_for_the_same_values(sql: str, same: tuple[Any, Any], other: Any) -> None:
    keys = Keys(sql)
    assert keys.of(same[0]) == keys.of(same[1]) != keys.of(other)
    assert 0 < keys.of(other) < 1 << KEY_BITS


def test_values_in_the_text() -> None:
    numbers = [Keys(f"SELECT a FROM t WHERE b = {b} LIMIT {limit}").of(()) for b, limit in ((1, 5), (1, 6), (2, 5))]
    assert numbers[0] == numbers[1] != numbers[2]
    assert Keys("SELECT count(*) FROM t").of(()) == Keys("SELECT count(*) FROM t").of(None) != 0


@pytest.mark.parametrize(
    ("sql", "parameters", "values"),
    [
        *((sql, (1,), 1) for sql in ONE),
        ("SELECT a FROM t WHERE b IN (?, ?, ?)", (1, 2, 3), 3),
        # The list is a filter, the single value is the key; a list of one is a single value.
        ("SELECT a FROM t WHERE b IN (?, ?, ?) AND c = ?", (1, 2, 3, 4), 1),
        ("SELECT a FROM t WHERE b IN (1, 2) AND c = 3", (), 1),
        ("SELECT a FROM t WHERE b IN (?)", (1,), 1),
        ("SELECT a FROM t WHERE b IN (?, ?) AND c = 1", (1, 2), 2),
        ("SELECT a FROM t WHERE b IN (1, 2)", (), 2),
        ("SELECT a FROM t WHERE b = ANY(%s)", ([1, 2, 3, 4],), 4),
        ("SELECT a FROM t WHERE b IN (SELECT c FROM u WHERE d = ?)", (1,), 1),
        ("SELECT a FROM t WHERE b > ?", (1,), 0),
        ("SELECT a FROM t WHERE b IN (" + ", ".join("?" * 5_000) + ")", (1,) * 5_000, 5_000),
    ],
)
def test_how_many_values_are_asked_by(sql: str, parameters: Any, values: int) -> None:
    assert Keys(sql).values(parameters) == values


@pytest.mark.parametrize("parameters", [None, (), {}, 7, ({},), (object,)])
def test_what_cannot_be_told(parameters: Any) -> None:
    assert Keys("SELECT a FROM t WHERE b = ? AND c = ?").of(parameters) == 0
    assert Keys("SELECT a FROM t WHERE b = ANY(?)").values(parameters) in (0, 1)
