"""A workload out of PostgreSQL's log, in its three forms."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.database import capture_log
from perfloop.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

PLAN = {
    "Query Text": "SELECT * FROM orders\nWHERE email = $1",
    "Query Parameters": "$1 = 'it''s a secret'",
    "Plan": {"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(email = 'it''s a secret'::text)"},
}
MESSAGES: list[tuple[str, str, str]] = [
    ("LOG", "duration: 0.210 ms  parse <unnamed>: SELECT * FROM orders\nWHERE email = $1", ""),
    ("LOG", "duration: 0.110 ms  bind <unnamed>: SELECT * FROM orders\nWHERE email = $1", ""),
    ("LOG", "duration: 12.5 ms  plan:\n" + json.dumps(PLAN, indent=2), ""),
    (
        "LOG",
        "duration: 12.000 ms  execute <unnamed>: SELECT * FROM orders\nWHERE email = $1",
        "parameters: $1 = 'it''s a secret', $2 = NULL",
    ),
    ("LOG", "duration: 2.000 ms  statement: UPDATE orders SET note = 'secret' WHERE id = 4", ""),
    ("ERROR", 'relation "missing" does not exist at character 15', ""),
    ("LOG", "statement: DELETE FROM orders WHERE id = 7", ""),
    ("LOG", "duration: 1.500 ms", ""),
    ("LOG", "statement: DELETE FROM orders WHERE id = 8", ""),
    ("LOG", "checkpoint starting: time", ""),
]


def plain(path: Path) -> None:
    lines = []
    for severity, message, detail in MESSAGES:
        first, *further = message.split("\n")
        lines.append(f"2026-11-24 10:00:00.000 UTC [4711] shop@shop {severity}:  {first}")
        lines += [f"\t{line}" for line in further]
        if detail:
            lines.append(f"2026-11-24 10:00:00.000 UTC [4711] shop@shop DETAIL:  {detail}")
        if severity == "ERROR":
            lines.append(
                "2026-11-24 10:00:00.000 UTC [4711] shop@shop STATEMENT:  SELECT * FROM missing\n\tWHERE id = 1"
            )
    path.write_text("\n".join(lines) + "\n")


def as_csv(path: Path) -> None:
    with path.open("w", newline="") as file:
        for severity, message, detail in MESSAGES:
            row = [""] * 26
            row[0], row[2], row[11], row[13], row[14] = "2026-11-24 10:00:00.000 UTC", "shop", severity, message, detail
            csv.writer(file).writerow(row)


def as_json(path: Path) -> None:
    lines = []
    for severity, message, detail in MESSAGES:
        entry: dict[str, Any] = {"timestamp": "2026-11-24 10:00:00.000 UTC", "dbname": "shop"}
        lines.append(json.dumps({**entry, "error_severity": severity, "message": message, "detail": detail}))
    path.write_text("\n".join([*lines, '{"timestamp": "20']) + "\n")


@pytest.mark.parametrize("write", [plain, as_csv, as_json])
def test_every_form(write: Any, tmp_path: Path) -> None:
    path = tmp_path / "postgresql.log"
    write(path)
    record = capture_log(path)
    assert [(each.fingerprint, each.calls, each.total_ms) for each in record.statements] == [
        # Reported by auto_explain too, and once.
        ("SELECT * FROM orders WHERE email = ?", 1, 12.0),
        ("UPDATE orders SET note = ? WHERE id = ?", 1, 2.0),
        ("DELETE FROM orders WHERE id = ?", 2, 1.5),
    ]
    read = record.statements[0]
    assert read.slowest_ms == 12.5
    assert read.plan is not None
    assert read.plan["Plan"]["Filter"] == "(email = ?::text)"
    assert read.plan["Plan"]["Relation Name"] == "orders"
    assert [(each.type, each.size, each.value) for each in read.parameters[0]] == [
        ("str", 13, None),
        ("NoneType", None, None),
    ]
    assert "secret" not in repr(record)
    values = capture_log(path, values=True).statements[0]
    assert values.parameters[0][0].value == "it's a secret"
    assert values.plan is not None
    assert "secret" in values.plan["Plan"]["Filter"]


def test_only_one_database(tmp_path: Path) -> None:
    path = tmp_path / "postgresql.csv"
    as_csv(path)
    with pytest.raises(ConfigurationError, match="found none"):
        capture_log(path, database="other")
    assert capture_log(path, database="shop").database == "shop"


def test_plans_as_text(tmp_path: Path) -> None:
    path = tmp_path / "postgresql.log"
    path.write_text(
        "LOG:  duration: 3.1 ms  plan:\n\tQuery Text: SELECT 1\n\t  FROM orders;\n"
        "\tSeq Scan on orders  (cost=0.00..1.00 rows=1 width=4)\n"
    )
    (statement,) = capture_log(path).statements
    assert (statement.fingerprint, statement.total_ms, statement.plan) == ("SELECT ? FROM orders", 3.1, None)


@pytest.mark.parametrize("text", ["", "nothing\n", "LOG:  checkpoint complete\n", "{}\n", "LOG:  duration: x ms\n"])
def test_no_statement(text: str, tmp_path: Path) -> None:
    path = tmp_path / "postgresql.log"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="found none") as failure:
        capture_log(path)
    assert "log_min_duration_statement" in str(failure.value.hint)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        capture_log(tmp_path / "gone.log")
