from __future__ import annotations

import pytest

from perfloop.database.plans import without_values


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT a1, \"b 2\" FROM t WHERE x = 'ann@example.com'", 'SELECT a1, "b 2" FROM t WHERE x = ?'),
        ("(email ~~ '%it''s%'::text) AND (n > 12.5e3) AND (m = -4)", "(email ~~ ?::text) AND (n > ?) AND (m = -?)"),
        ("a = E'it\\'s' AND b = $$x$$ AND c = $tag$y$tag$", "a = ? AND b = ? AND c = ?"),
        ("a = $1 AND b = ?2 AND c = ?", "a = $1 AND b = ?2 AND c = ?"),
        ("SELECT 1 -- ann@example.com\nFROM t /* 5 */", "SELECT ?  \nFROM t  "),
        ("a = X'ff' AND b = 'never closed", "a = ? AND b = ?"),
        ("a = 0xFF", "a = ?"),
    ],
)
def test_values_are_hidden_and_names_are_not(sql: str, shown: str) -> None:
    assert without_values(sql) == shown
