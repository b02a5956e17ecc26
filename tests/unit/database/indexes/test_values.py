"""Values for parameters that the workload did not keep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.database.indexes.analysis import analyse
from perfloop.database.indexes.values import executions, literal
from perfloop.records import Parameter, WorkloadStatement

from .tables import shop

if TYPE_CHECKING:
    from perfloop.database.indexes.catalogue import Catalogue
    from perfloop.database.indexes.values import Execution


def with_statistics(**statistics: dict[str, Any]) -> Catalogue:
    catalogue = shop()
    orders = catalogue.tables["public", "orders"]
    columns = {name: replace(column, **statistics.get(name, {})) for name, column in orders.columns.items()}
    return replace(catalogue, tables={**catalogue.tables, orders.key: replace(orders, columns=columns)})


KNOWN = with_statistics(
    customer_id={"common": (("7", 0.5), ("8", 0.1)), "bounds": ("10", "20", "30")},
    created_at={"bounds": tuple(f"2024-01-{day:02}" for day in range(1, 21))},
    status={"common": (("paid", 0.97), ("open", 0.02), ("failed", 0.01))},
    note={"bounds": ("a long first note", "the note in the middle", "z last")},
)


def filled(sql: str, catalogue: Catalogue = KNOWN, **statement: Any) -> list[Execution]:
    record = WorkloadStatement(fingerprint=sql, sql=sql, kind="select", calls=10, **statement)
    return executions(record, analyse(sql, catalogue), catalogue.dialect)


def where(sql: str, catalogue: Catalogue = KNOWN) -> list[str]:
    return [each.sql.partition("WHERE ")[2] for each in filled(f"SELECT id FROM orders WHERE {sql}", catalogue)]


@pytest.mark.parametrize(
    ("condition", "typical", "skewed"),
    [
        ("customer_id = $1", "customer_id = '20'", "customer_id = '7'"),
        ("created_at > $1", "created_at > '2024-01-19'", "created_at > '2024-01-11'"),
        ("created_at < $1", "created_at < '2024-01-03'", "created_at < '2024-01-11'"),
        ("status = $1", "status = 'open'", "status = 'paid'"),
    ],
)
def test_a_typical_and_the_commonest_value(condition: str, typical: str, skewed: str) -> None:
    assert where(condition) == [typical, skewed]


def test_both_ends_of_a_range_fit_each_other() -> None:
    assert where("created_at >= $1 AND created_at < $2") == [
        "created_at >= '2024-01-10' AND created_at < '2024-01-12'",
        "created_at >= '2024-01-06' AND created_at < '2024-01-16'",
    ]


@pytest.mark.parametrize(
    ("condition", "shape"),
    [("note LIKE $1", "note LIKE '% note%'"), ("note LIKE $1 || '%'", "note LIKE 'the ' || '%'")],
)
def test_patterns_are_parts_of_what_is_there(condition: str, shape: str) -> None:
    typical = where(condition)[0]
    assert typical.count("%") == shape.count("%")
    assert typical.split("'")[1].strip("%") in "the note in the middle"


def test_limits_and_arrays() -> None:
    assert where("customer_id = ANY($1) LIMIT $2 OFFSET $3")[0] == 'customer_id = ANY(\'{"20","8"}\') LIMIT 20 OFFSET 0'


def test_values_that_were_kept_are_used_as_they_are() -> None:
    rows = [[Parameter(type="int", value=1)], [Parameter(type="int", value=2)], [Parameter(type="int", value=1)]]
    found = filled("SELECT id FROM orders WHERE customer_id = $1", parameters=rows)
    assert [(each.sql[-1], each.weight, each.values) for each in found] == [("1", 5, "sampled"), ("2", 5, "sampled")]


def test_redacted_values_are_not_taken_for_null() -> None:
    rows = [[Parameter(type="int")]]
    found = filled("SELECT id FROM orders WHERE customer_id = $1", parameters=rows)
    assert {each.values for each in found} == {"typical", "skewed"}
    [null] = filled("SELECT id FROM orders WHERE customer_id = $1", parameters=[[Parameter(type="NoneType")]])
    assert null.sql.endswith("NULL")


def test_without_statistics_rows_are_asked_for_values() -> None:
    sql = "SELECT id FROM orders WHERE lower(note) = $1"
    record = WorkloadStatement(fingerprint=sql, sql=sql, kind="select", calls=1)
    asked: list[str] = []

    def sample(use: Any) -> list[str]:
        asked.append(use.expression)
        return ["commonest", "b", "typical", "c"]

    found = executions(record, analyse(sql, KNOWN), "postgresql", sample)
    assert [each.sql.split("'")[1] for each in found] == ["typical", "commonest"]
    assert asked == ["LOWER(note)"]


def test_an_empty_table_gets_values_of_the_right_type() -> None:
    empty = shop()
    assert where("created_at > $1 AND customer_id = $2 AND note = $3", empty) == [
        "created_at > '2024-01-01' AND customer_id = '1' AND note = 'a'"
    ]


def test_five_thousand_parameters_are_filled() -> None:
    places = ", ".join(f"${number}" for number in range(1, 5_001))
    assert filled(f"SELECT id FROM orders WHERE customer_id IN ({places})")[0].sql.count("'20'") == 5_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (-3, "(-3)"),
        (1.5, "1.5"),
        ("it's", "'it''s'"),
        ("a\0b", "'ab'"),
        (b"\x01", "'\\x01'"),
        (["a", None, 'q"'], '\'{"a",NULL,"q\\""}\''),
        ({"a": 1}, "'{\"a\": 1}'"),
    ],
)
def test_literals(value: object, text: str) -> None:
    assert literal(value, "postgresql") == text


def test_sqlite_literals() -> None:
    assert literal(True, "sqlite") == "1"
    assert literal(b"\x01", "sqlite") == "X'01'"
