"""Places of values, in every style."""

from __future__ import annotations

import pytest

from perfloop.database.indexes.placeholders import parse_placeholders


@pytest.mark.parametrize(
    ("sql", "named", "count"),
    [
        ("SELECT 1", "SELECT 1", 0),
        ("a = $1 AND b = $2 AND c = $1", "a = :p0 AND b = :p1 AND c = :p0", 2),
        ("a = %s AND b = %s", "a = :p0 AND b = :p1", 2),
        ("a = %(x)s AND b = %(y)s AND c = %(x)s", "a = :p0 AND b = :p1 AND c = :p0", 2),
        ("a = ? AND b IN (?, ?)", "a = :p0 AND b IN (:p1, :p2)", 3),
        ("a = ?2 AND b = ?1", "a = :p1 AND b = :p0", 2),
        ("a = :x AND b = @y AND c::text = :x", "a = :p0 AND b = :p1 AND c::text = :p0", 2),
        ("a = '?' AND \"b?\" = ? -- ?\n/* $1 */", "a = '?' AND \"b?\" = :p0 -- ?\n/* $1 */", 1),
        ("a = $$it's ?$$ AND b = $1", "a = $$it's ?$$ AND b = :p0", 1),
        ("a = $x$ $1 $x$ AND b = $1", "a = $x$ $1 $x$ AND b = :p0", 1),
        ("a LIKE '50%%' AND b = %s", "a LIKE '50%' AND b = :p0", 1),
        ("a LIKE '50%%'", "a LIKE '50%%'", 0),
        ("a LIMIT ? OFFSET ?", "a LIMIT :p0 OFFSET :p1", 2),
        ("tags <@ ? AND x", "tags <@ :p0 AND x", 1),
        ("x=$1and y", "x=:p0 and y", 1),
        ("a - ?", "a - :p0", 1),
    ],
)
def test_placeholders_are_numbered(sql: str, named: str, count: int) -> None:
    template = parse_placeholders(sql)
    assert template.named() == named
    assert template.parameter_count == count


def test_a_question_mark_after_a_value_is_the_operator_of_jsonb() -> None:
    assert parse_placeholders("data ? 'key' AND a = ?").named() == "data ? 'key' AND a = :p0"
    assert parse_placeholders("data ? ? AND (x) ?| ?").named() == "data ? :p0 AND (x) ?| :p1"
    assert parse_placeholders("data ?1", operators=False).parameter_count == 1


def test_values_fill_their_places() -> None:
    template = parse_placeholders("SELECT $2, x FROM t WHERE a = $1 AND b > -$2")
    assert template.filled(["'one'", "2"]) == "SELECT 2, x FROM t WHERE a = 'one' AND b > - 2"
