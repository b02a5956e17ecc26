from __future__ import annotations

import pytest

from perfloop.database.capture.sql_file import capture_sql, kind_of, split_statements
from perfloop.exceptions import ConfigurationError


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' AS \";\" -- a; b\n; /* ; */ ;\n", ["SELECT ';' AS \";\" -- a; b"]),
        ("SELECT $$;$$, $a$;$a$, E'\\';'; SELECT 2", ["SELECT $$;$$, $a$;$a$, E'\\';'", "SELECT 2"]),
        ("(SELECT 1);", ["(SELECT 1)"]),
        ("-- only a comment\n", []),
        ("SELECT 'never closed; SELECT 2", ["SELECT 'never closed; SELECT 2"]),
    ],
)
def test_statements_end_at_their_semicolons(text: str, statements: list[str]) -> None:
    assert list(split_statements(text)) == statements


def test_statements_count_by_what_stays_without_their_values() -> None:
    workload = capture_sql(
        "SELECT * FROM a WHERE b = 1; SELECT * FROM a WHERE b = 2;\n-- calls: 50\nUPDATE a SET b = 1;", "sqlite"
    )
    assert [(each.fingerprint, each.kind, each.calls) for each in workload.statements] == [
        ("UPDATE a SET b = ?", "update", 50),
        ("SELECT * FROM a WHERE b = ?", "select", 2),
    ]
    assert workload.statements[1].sql == "SELECT * FROM a WHERE b = 1"
    assert (workload.dialect, workload.source) == ("sqlite", "sql")


def test_no_statement_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="there is none"):
        capture_sql(" ; -- nothing\n", "postgresql")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select 1", "select"),
        ("/* a */ -- b\n ( SELECT 1)", "select"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "select"),
        ("WITH a AS (DELETE FROM b RETURNING *) SELECT * FROM a", "other"),
        ("INSERT INTO a VALUES (1)", "insert"),
        ("Delete from a", "delete"),
        ("VACUUM", "other"),
        ("", "other"),
    ],
)
def test_what_a_statement_does_is_told(sql: str, kind: str) -> None:
    assert kind_of(sql) == kind
