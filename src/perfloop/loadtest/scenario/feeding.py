"""Feeders: rows of data read once, and which of them comes next. Rows are dicts of texts, all with the same columns."""

from __future__ import annotations

import csv
import itertools
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...exceptions import ConfigurationError, InvalidValue
from ..parts import ONLY_PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..parts import Part
    from .document import Feeder

__all__ = ["FeederRanOut", "Feeding", "read_rows"]

_JSON_LINES = (".jsonl", ".ndjson", ".json")


class FeederRanOut(Exception):
    """A unique feeder has no row left."""

    def __init__(self, name: str, feeding: Feeding) -> None:
        super().__init__(name)
        self.name = name
        self.feeding = feeding


class Feeding:
    """A feeder at work: `next_position()` is the index in `rows` of the row that comes next.

    Args:
        seed: of a random order.
        part: of the rows in another order, which this generator takes: no two take the same one of a unique feeder.

    Raises:
        ConfigurationError: the file is unreadable, holds no row, or rows with differing columns.
    """

    def __init__(self, name: str, feeder: Feeder, where: str, seed: int = 0, part: Part = ONLY_PART) -> None:
        self.name = name
        self.feeder = feeder
        self.where = where
        if (feeder.file is None) == (not feeder.rows):
            raise ConfigurationError("Expected either `file` or `rows`", where=where)
        if feeder.on_end != "stop" and feeder.order != "unique":
            raise ConfigurationError(
                f"Expected `on_end` with a unique feeder only: one in {feeder.order} order never ends", where=where
            )
        rows = _with_one_set_of_columns(feeder.rows, where) if feeder.file is None else read_rows(feeder.file, where)
        self.columns = frozenset(rows[0])
        # Under the names that templates use.
        self.rows = [{f"{name}.{column}": value for column, value in row.items()} for row in rows]
        self.next_position = _positions(len(self.rows), feeder.order, seed, part)

    def next_row(self) -> dict[str, str]:
        """The row that comes next.

        Raises:
            FeederRanOut: a unique feeder has none.
        """
        try:
            return self.rows[self.next_position()]
        except StopIteration:
            raise FeederRanOut(self.name, self) from None


def _positions(count: int, order: str, seed: int, part: Part) -> Callable[[], int]:
    if order == "random":
        draw = random.Random(seed).random
        return lambda: int(draw() * count)
    numbers: Iterator[int] = iter(range(count)) if order == "unique" else itertools.cycle(range(count))
    return part.of(numbers).__next__


def read_rows(file: str, where: str) -> list[dict[str, str]]:
    """The rows of a CSV file with a header line, or of JSON lines.

    Raises:
        ConfigurationError: unreadable, no row, or a row that does not fit; says on which line.
    """
    path = Path(file)
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = _json_lines(lines, file) if path.suffix.lower() in _JSON_LINES else _csv(lines, file)
    except OSError as error:
        raise ConfigurationError(f"Expected a readable feeder: {error.strerror}", got=file, where=where) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Expected UTF-8 text: {error}", got=file, where=where) from error
    if not rows:
        raise ConfigurationError("Expected at least one row: the feeder is empty", got=file, where=where)
    return rows


def _csv(lines: Iterable[str], file: str) -> list[dict[str, str]]:
    reader = csv.reader(lines, strict=True)
    columns: list[str] = []
    rows = []
    try:
        columns = next(reader, [])
        for row in reader:
            if not row:
                continue
            if len(row) != len(columns):
                raise InvalidValue(
                    f"Expected {len(columns)} values, one for each column, got {len(row)}",
                    where=f"{file}:{reader.line_num}",
                )
            rows.append(dict(zip(columns, row, strict=True)))
    except csv.Error as error:
        raise InvalidValue(f"Expected CSV: {error}", where=f"{file}:{reader.line_num}") from error
    if len(set(columns)) != len(columns):
        raise InvalidValue("Expected each column once", got=", ".join(columns), where=f"{file}:1")
    return rows


def _json_lines(lines: Iterable[str], file: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidValue(f"Expected a JSON object on each line: {error}", where=where) from error
        if not isinstance(row, dict):
            raise InvalidValue("Expected a JSON object on each line", got=row, where=where)
        rows.append(_texts(row))
        _check_columns(rows, where)
    return rows


def _with_one_set_of_columns(given: Iterable[dict[str, Any]], where: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for row in given:
        rows.append(_texts(row))
        _check_columns(rows, where)
    return rows


def _texts(row: dict[str, Any]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()}


def _check_columns(rows: list[dict[str, str]], where: str) -> None:
    if rows[-1].keys() != rows[0].keys():
        raise InvalidValue(
            f"Expected the columns of the first row: {', '.join(rows[0])}", got=", ".join(rows[-1]), where=where
        )
