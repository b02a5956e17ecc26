from __future__ import annotations

import pytest

from perfloop.database.plans.placeholders import bind, number_placeholders
from perfloop.exceptions import InvalidValue


@pytest.mark.parametrize(
    ("sql", "numbered", "names"),
    [
        ("SELECT 1", "SELECT 1", []),
        ("a = $1 AND b = $2", "a = $1 AND b = $2", [None, None]),
        ("a = $2", "a = $2", [None, None]),
        ("a = ? AND b IN (?, ?) LIMIT ?", "a = $1 AND b IN ($2, $3) LIMIT $4", [None] * 4),
        ("a = %s AND b LIKE 'x%%'", "a = $1 AND b LIKE 'x%%'", [None]),
        ("a %% 2 = %s", "a % 2 = $1", [None]),
        ("a %% 2", "a %% 2", []),
        ("a = :low AND b = :high AND c = :low", "a = $1 AND b = $2 AND c = $1", ["low", "high"]),
        ("a = %(low)s", "a = $1", ["low"]),
        ("a = '?' AND b = \"?\" -- ?\n AND c = ?", "a = '?' AND b = \"?\" -- ?\n AND c = $1", [None]),
        ("a::int = ? AND data ? 'key' AND data ?| ARRAY['a'] AND d->'x' ? 'y'", None, [None]),
        ("a[1:2] = ?", "a[1:2] = $1", [None]),
        ("a = $$it ? is$$ AND b = ?", "a = $$it ? is$$ AND b = $1", [None]),
        ("a = E'it\\'s ?' AND b = ?", "a = E'it\\'s ?' AND b = $1", [None]),
    ],
)
def test_placeholders_of_every_style_are_numbered(sql: str, numbered: str | None, names: list[str | None]) -> None:
    found = number_placeholders(sql, "postgresql")
    assert found.names == names
    assert found.sql == (numbered if numbered is not None else sql.replace("= ?", "= $1", 1))


def test_sqlite_numbers_with_a_question_mark() -> None:
    assert number_placeholders("a = ? AND b = :c AND d = ?3", "sqlite") == (
        "a = ?1 AND b = ?2 AND d = ?3",
        [None, "c", None],
    )


def test_five_thousand_placeholders_are_numbered() -> None:
    sql = f"a IN ({', '.join(['?'] * 5000)})"
    found = number_placeholders(sql, "postgresql")
    assert len(found.names) == 5000
    assert found.sql.endswith("$5000)")


def test_values_go_to_their_placeholders() -> None:
    assert bind([None, None], ["7", "NULL"]) == ["7", None]
    assert bind(["low", "high"], ["high=9", "low=1=1"]) == ["1=1", "9"]
    assert bind(["low", None], ["5", "low=1"]) == ["1", "5"]
    assert bind([None], ["a=b"]) == ["a=b"]


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        ([None, None], ["1"], "without one: number 2"),
        ([None], ["1", "2"], "not more"),
        (["low"], ["high=1"], "as name=value for one of low"),
        (["low"], [], "without one: low"),
    ],
)
def test_values_that_do_not_fit_are_refused(names: list[str | None], given: list[str], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        bind(names, given)
