"""What is told of parameters: types and sizes; values only on demand, and only plain ones."""

from __future__ import annotations

import datetime
import decimal
import enum
from typing import Any

import pytest

from perfloop.agent import parameters, protocol
from perfloop.agent.keys import Keys


class Number(enum.IntEnum):
    SEVEN = 7


class Safe(str):
    __str__ = None  # type: ignore[assignment]


class Secret:
    def __str__(self) -> str:
        raise AssertionError("no code of the service runs")

    __repr__ = __str__


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []

    class Channel:
        def put_json(self, kind: int, value: Any) -> None:
            assert kind == protocol.PARAMETERS
            found.append(value)

    monkeypatch.setattr(parameters, "CHANNEL", Channel())
    monkeypatch.setattr(parameters, "_TAKEN", {})
    return found


def take(sql: str, values: Any) -> None:
    parameters.sample(1, sql, Keys(sql), values)


@pytest.mark.parametrize(
    ("sql", "values", "types"),
    [
        ("SELECT ? + ?", (1, "ab"), [["int", None], ["str", 2]]),
        ("SELECT :b, :a, :b", {"a": 1.5, "b": b"xyz"}, [["bytes", 3], ["float", None]]),
        ("SELECT %(b)s, %(a)s", {"a": 1, "b": None}, [["NoneType", None], ["int", None]]),
        ("SELECT ? + ?", [(1, "ab"), (2, "c")], [["int", None], ["str", 2]]),
        ("INSERT INTO t VALUES ($1)", ([("ab",), ("c",)],), [["str", 2]]),
        ("INSERT INTO t VALUES (:a)", [{"a": 1}, {"a": 2}], [["int", None]]),
        ("SELECT 1 WHERE a = ANY(%s)", ([1, 2],), [["list", 2]]),
        ("SELECT ?", (Secret(),), [["Secret", None]]),
        ("SELECT ?, ?, ?", (Number.SEVEN, Safe("ab"), True), [["int", None], ["str", 2], ["bool", None]]),
    ],
)
def test_types_and_sizes(told: list[Any], sql: str, values: Any, types: list[Any]) -> None:
    take(sql, values)
    assert told == [{"statement": 1, "parameters": types}]


def test_values_on_demand_and_only_plain_ones(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "PARAMETERS", "values")
    take("SELECT ?, ?, ?, ?", (7, datetime.date(2026, 1, 2), decimal.Decimal("1.50"), Secret()))
    assert [each[2] for each in told[0]["parameters"]] == [7, "2026-01-02", "1.50", None]
    assert told[0]["sql"] == "SELECT ?, ?, ?, ?"


def test_of_what_is_too_large_the_size_is_told(told: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "PARAMETERS", "values")
    take("SELECT ?", ("x" * 200_000,))
    assert told == [{"statement": 1, "parameters": [["str", 200_000]]}]


def test_what_has_no_parameters_or_is_no_sequence_is_not_told(told: list[Any]) -> None:
    take("SELECT 1", ())
    take("SELECT ?", iter([1]))
    parameters.sample(0, "SELECT ?", Keys("SELECT ?"), (1,))
    assert told == []


def test_a_text_that_has_its_values_itself_is_told_where_they_are_asked_for(
    told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "PARAMETERS", "values")
    for values in ((), None):
        take("SELECT id FROM orders LIMIT 20 OFFSET 700", values)
    assert told == [{"statement": 1, "parameters": [], "sql": "SELECT id FROM orders LIMIT 20 OFFSET 700"}] * 2


def test_of_one_statement_with_many_texts_only_some_are_told(told: list[Any]) -> None:
    for number in range(80):
        take(f"SELECT {number} + ?", (number,))
    assert len(told) == 50
