"""Executions added up by fingerprint."""

from __future__ import annotations

from datetime import date

from perfloop.database.capture.workload import WorkloadBuilder, describe_parameter


def test_the_dearest_first() -> None:
    builder = WorkloadBuilder()
    assert builder.empty
    builder.add("SELECT a FROM t WHERE b = 1", total_ms=5.0, rows=2, parameters=[1])
    builder.add("SELECT a FROM t WHERE b = 22", calls=3, total_ms=6.0, rows=1, parameters=["x" * 9])
    builder.add("SELECT c FROM t", total_ms=40.0)
    builder.add(" ; ")
    record = builder.record("sqlite", "sql", seconds=2.0)
    assert [
        (each.fingerprint, each.calls, each.total_ms, each.slowest_ms, each.rows) for each in record.statements
    ] == [
        ("SELECT c FROM t", 1, 40.0, 40.0, 0),
        ("SELECT a FROM t WHERE b = ?", 4, 11.0, 5.0, 3),
    ]
    assert [[(each.type, each.size) for each in row] for row in record.statements[1].parameters] == [
        [("int", None)],
        [("str", 9)],
    ]


def test_parameters_without_and_with_their_value() -> None:
    assert describe_parameter("secret", values=False).value is None
    assert describe_parameter(date(2026, 1, 2), values=True).value == "2026-01-02"
    assert describe_parameter([1, 2], values=False).size == 2
