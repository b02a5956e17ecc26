"""Rows to write into a table: copies of its newest, with keys that are not there yet."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .definition import quote_identifier

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .catalogue import Column, Table
    from .what_if import WhatIf

__all__ = ["NewRows", "NotMeasured", "copies", "greatest", "new_rows", "newest"]

_EXAMPLES = 20_000
# The correlation of a column's values with the rows' order from which on they are taken to grow with it.
_GROWS = 0.99
_INTEGERS = ("smallint", "integer", "bigint", "numeric")


class NotMeasured(Exception):
    """Why rows could not be written."""


@dataclass(frozen=True)
class NewRows:
    """An INSERT of one row and what to send with it; `fresh(n)` gives `n` rows that were never given before."""

    sql: str
    columns: list[str]
    fresh: Callable[[int], list[tuple[Any, ...]]]


def new_rows(clone: WhatIf, table: Table) -> NewRows:
    """Rows for a table: copies of its newest, with fresh keys.

    Raises:
        NotMeasured: it has none to copy, or keys that cannot be made up.
    """
    columns = [each for each in table.columns.values() if not each.generated and not each.automatic]
    if not columns:
        raise NotMeasured(f"{table.name} has no column that an insert names")
    names = [each.name for each in columns]
    found = clone.connection.execute(
        f"SELECT {', '.join(map(quote_identifier, names))} FROM ({newest(table, _EXAMPLES)}) n".encode()
    ).fetchall()
    if not found:
        raise NotMeasured(f"{table.name} has no rows to take as an example")

    places = ", ".join(["%s"] * len(names))
    sql = f"INSERT INTO {table.sql} ({', '.join(map(quote_identifier, names))}) VALUES ({places})"
    return NewRows(sql, names, copies(table, names, found, lambda name: greatest(clone, table, name)))


def greatest(clone: WhatIf, table: Table, name: str) -> int:
    """The greatest value of a column that counts."""
    row = clone.connection.execute(f"SELECT max({quote_identifier(name)}) FROM {table.sql}".encode()).fetchone()
    return int(row[0] or 0) if row is not None else 0


def copies(
    table: Table, names: Sequence[str], found: Sequence[tuple[Any, ...]], greatest: Callable[[str], int]
) -> Callable[[int], list[tuple[Any, ...]]]:
    """Copies of rows, with keys that are not there yet.

    Args:
        names: the columns of `found`.
        greatest: the greatest value of a column that counts.

    Raises:
        NotMeasured: keys that cannot be made up.
    """
    changes = {**_continued(table, names, found), **_fresh_keys(table, names, greatest)}
    turn, examples = itertools.count(1), itertools.cycle(found)

    def fresh(count: int) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for each in itertools.islice(examples, count):
            row, number = list(each), next(turn)
            for place, change in changes.items():
                row[place] = change(row[place], number)
            rows.append(tuple(row))
        return rows

    return fresh


def newest(table: Table, count: int) -> str:
    """The rows at the table's end, which look like those to come."""
    pages = max(int(count / max(table.rows / max(table.pages, 1), 1)) + 1, 1)
    if table.kind != "table" or table.pages <= pages:
        return f"SELECT * FROM {table.sql} LIMIT {count}"
    return f"SELECT * FROM {table.sql} WHERE ctid >= '({table.pages - pages},0)'::tid LIMIT {count}"


def _continued(
    table: Table, names: Sequence[str], found: Sequence[tuple[Any, ...]]
) -> dict[int, Callable[[Any, int], Any]]:
    """Columns whose values grow with the table, such as times: those of new rows go on where the newest end."""
    changes: dict[int, Callable[[Any, int], Any]] = {}
    for place, name in enumerate(names):
        column = table.columns[name]
        values = [row[place] for row in found if row[place] is not None]
        grows = column.correlation is not None and column.correlation > _GROWS
        if grows and values and (_counts(column) or column.type.startswith("timestamp")):
            changes[place] = _going_on(max(values) - min(values), len(found))
    return changes


def _going_on(span: Any, rows: int) -> Callable[[Any, int], Any]:
    return lambda value, number: value if value is None else value + span * (1 + (number - 1) // rows)


def _fresh_keys(
    table: Table, names: Sequence[str], greatest: Callable[[str], int]
) -> dict[int, Callable[[Any, int], Any]]:
    """For each unique index, a column that gets values which are not there yet."""
    foreign = {name for key in table.foreign_keys for name in key.columns}
    changes: dict[int, Callable[[Any, int], Any]] = {}
    for index in table.indexes:
        columns = [key.column for key in index.definition.keys if key.column is not None]
        if not index.definition.unique or any(table.columns[name].automatic for name in columns):
            continue
        places = [names.index(name) for name in columns if name in names]
        if any(place in changes for place in places):
            continue
        ranked = sorted(places, key=lambda place: (names[place] in foreign, not _counts(table.columns[names[place]])))
        change = _change(table.columns[names[ranked[0]]], greatest) if ranked else None
        if change is None:
            raise NotMeasured(f"no fresh values for the unique index {index.name}")
        changes[ranked[0]] = change
    return changes


def _counts(column: Column) -> bool:
    return column.type.startswith(_INTEGERS) or column.type == "int"


def _change(column: Column, greatest: Callable[[str], int]) -> Callable[[Any, int], Any] | None:
    if _counts(column):
        start = greatest(column.name)
        return lambda _, number: start + number
    if column.type == "uuid":
        return lambda _, __: uuid.uuid4()
    if column.is_text:
        return lambda value, number: f"{value}~{number}"
    if column.type.startswith("timestamp"):
        return lambda value, number: value + timedelta(microseconds=number)
    return None
