"""Feeders: rows and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest.scenario import Feeder
from perfloop.loadtest.scenario.feeding import FeederRanOut, Feeding

if TYPE_CHECKING:
    from pathlib import Path

ROWS = tuple({"id": number} for number in range(3))


def take(feeder: Feeder, count: int, seed: int = 0) -> list[str]:
    feeding = Feeding("f", feeder, "here", seed)
    return [feeding.next_row()["f.id"] for _ in range(count)]


def test_orders() -> None:
    assert take(Feeder(rows=ROWS), 7) == list("0120120")
    drawn = take(Feeder(rows=ROWS, order="random"), 300)
    assert set(drawn) == set("012")
    assert drawn == take(Feeder(rows=ROWS, order="random"), 300) != take(Feeder(rows=ROWS, order="random"), 300, seed=1)
    feeding = Feeding("f", Feeder(rows=ROWS, order="unique"), "here")
    assert [feeding.next_row()["f.id"] for _ in range(3)] == list("012")
    with pytest.raises(FeederRanOut):
        feeding.next_row()


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("a.csv", '\ufeffid,name\n1,"a,b"\n\n2,c\n', [{"f.id": "1", "f.name": "a,b"}, {"f.id": "2", "f.name": "c"}]),
        (
            "a.jsonl",
            '{"id": 1, "name": null}\n\n{"name": "x", "id": [2]}',
            [{"f.id": "1", "f.name": "null"}, {"f.id": "[2]", "f.name": "x"}],
        ),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, rows: list[dict[str, str]]) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert Feeding("f", Feeder(file=str(tmp_path / name)), "here").rows == rows


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", r"Expected at least one row: the feeder is empty, got '.*a\.csv' \(here\)"),
        ("a.csv", "id\n", "Expected at least one row: the feeder is empty"),
        ("a.csv", "id,name\n1\n", r"Expected 2 values, one for each column, got 1 \(.*a\.csv:2\)"),
        ("a.csv", "id,id\n1,2\n", r"Expected each column once, got 'id, id' \(.*a\.csv:1\)"),
        ("a.csv", 'id\n"1\n', r"Expected CSV: unexpected end of data \(.*a\.csv:2\)"),
        ("a.jsonl", "", "Expected at least one row"),
        ("a.jsonl", '{"a": 1}\n[]', r"Expected a JSON object on each line, got \[\] \(.*a\.jsonl:2\)"),
        ("a.jsonl", "{", r"Expected a JSON object on each line: .* \(.*a\.jsonl:1\)"),
        ("a.jsonl", '{"a": 1}\n{"b": 1}', r"Expected the columns of the first row: a, got 'b' \(.*a\.jsonl:2\)"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Feeding("f", Feeder(file=str(tmp_path / name)), "here")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"Expected either `file` or `rows` \(here\)"),
        ({"file": "a", "rows": ROWS}, "Expected either `file` or `rows`"),
        ({"file": "nowhere.csv"}, r"Expected a readable feeder: No such file or directory, got 'nowhere.csv' \(here\)"),
        (
            {"rows": ROWS, "on_end": "fail"},
            "Expected `on_end` with a unique feeder only: one in sequential order never ends",
        ),
        ({"rows": ({"a": 1}, {"b": 1})}, "Expected the columns of the first row: a, got 'b'"),
    ],
)
def test_feeders_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Feeding("f", Feeder(**options), "here")
