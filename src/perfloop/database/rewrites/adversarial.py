"""Rows made to tell two statements apart: NULLs, duplicates, ties, empty tables, boundary values, few enough to meet.

The constraints that can be kept while drawing (NOT NULL, keys, foreign keys, types) are; CHECK constraints are left to
the database, which refuses what breaks them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .values import fits, neighbours, odd_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .domains import Domains
    from .tables import Column, ForeignKey, Table

__all__ = ["Dataset", "Row", "comparable", "generate", "parents_first"]

Row = dict[str, Any]
# For each column, values to draw from; for some, the value that most rows get, and others that would do.
_Values = tuple[dict[tuple[str, str], list[Any]], dict[tuple[str, str], list[Any]]]

_SIZES = (0, 1, 2, 3, 4, 6, 9, 12)
_SIZE_WEIGHTS = (1, 2, 3, 4, 5, 5, 5, 3)
_NULLS = (0.0, 0.15, 0.5)
_ODD = 0.1
_TRIES = 6
# Each with days of 23 and 25 hours, or at no whole hour's distance.
_ZONES = (None, "Europe/Berlin", "America/New_York", "Asia/Kathmandu")
_ZONED = frozenset({"date", "time", "timestamp", "timestamptz"})


@dataclass(frozen=True)
class Dataset:
    """Rows by `Table.label`, and values for the statement's parameters."""

    rows: dict[str, list[Row]]
    parameters: list[Any]
    zone: str | None = None
    """The session's TimeZone, where times are read and written; None: as it is."""

    @property
    def size(self) -> int:
        return sum(len(rows) for rows in self.rows.values())


def generate(tables: Sequence[Table], domains: Domains, parameters: int, *, seed: int, sets: int) -> Iterator[Dataset]:
    """Draw sets of rows, the first of them without any row, or without those of a table; the same ones each time.

    Args:
        tables: without views, parents before their children (see `parents_first`).
        domains: which values to draw from.
        parameters: how many the statement has.
        seed: of the draws.
        sets: how many.
    """
    zoned = any(column.kind in _ZONED for table in tables for column in table.columns)
    empty = [{table.label for table in tables}, *({table.label} for table in tables if len(tables) > 1)]
    for number in range(sets):
        lacking = empty[number] if number < len(empty) else set()
        choice = random.Random(f"{seed}/{number}")
        pools = domains.shared_pools(choice)
        hot = domains.hot_values(pools, choice)
        rows: dict[str, list[Row]] = {}
        nulls = choice.choice(_NULLS)
        for table in tables:
            # A set with an empty table now and then, but seldom with all of them.
            size = 0 if table.label in lacking else choice.choices(_SIZES, _SIZE_WEIGHTS)[0]
            rows[table.label] = list(_rows(table, size, (pools, hot), rows, nulls, choice))
        zone = _ZONES[number % len(_ZONES)] if zoned else None
        yield Dataset(rows, domains.parameter_values(rows, pools, choice, parameters), zone)


def parents_first(tables: Sequence[Table]) -> list[Table]:
    """The tables, each after those its foreign keys name, as far as there is no cycle."""
    ordered: list[Table] = []
    left = list(tables)
    while left:
        labels = {table.label for table in left}
        ready = [
            table
            for table in left
            if not any(key.parent in labels and key.parent != table.label for key in table.foreign_keys)
        ]
        for table in ready or left[:1]:
            ordered.append(table)
            left.remove(table)
    return ordered


def _rows(
    table: Table,
    size: int,
    values: _Values,
    rows: dict[str, list[Row]],
    nulls: float,
    choice: random.Random,
) -> Iterator[Row]:
    made: list[Row] = []
    rows[table.label] = made  # a table may refer to itself
    seen: dict[tuple[str, ...], set[tuple[Any, ...]]] = {key: set() for key in table.keys}
    for _ in range(size):
        for _ in range(_TRIES):
            row = _row(table, values, rows, nulls, choice)
            if row is None:
                return
            if made and choice.random() < 0.25:  # a duplicate but for its keys
                keyed = {name for key in table.keys for name in key}
                like = choice.choice(made)  # NULLs may repeat even there
                row = {**like, **{name: row[name] for name in row if name in keyed and like[name] is not None}}
            taken = {key: tuple(comparable(row.get(name)) for name in key) for key in table.keys}
            if any(None not in own and own in seen[key] for key, own in taken.items()):
                continue
            for key, own in taken.items():
                seen[key].add(own)
            made.append(row)
            yield row
            break


def _row(
    table: Table,
    values: _Values,
    rows: dict[str, list[Row]],
    nulls: float,
    choice: random.Random,
) -> Row | None:
    pools, hot = values
    row: Row = {}
    keyed = {name for key in table.keys for name in key}
    for column in table.columns:
        if column.generated:
            continue
        pool = pools[table.label, column.name]
        if column.nullable and (not pool or choice.random() < nulls):
            row[column.name] = None
        elif not pool:
            return None
        elif choice.random() < _ODD and (odd := _odd(column, pool, table, choice)):
            row[column.name] = choice.choice(odd)
        elif (table.label, column.name) in hot and choice.random() < 0.6:
            wanted = hot[table.label, column.name]
            row[column.name] = choice.choice(wanted) if column.name in keyed else wanted[0]
        elif column.name in keyed and column.kind == "integer" and choice.random() < 0.5:
            row[column.name] = choice.randint(1, 12)  # a key drawn from a small pool alone soon runs out
        else:
            row[column.name] = choice.choice(pool)
    for key in table.foreign_keys:
        if not _refer(row, key, table, rows, choice):
            return None
    return row


def _odd(column: Column, pool: list[Any], table: Table, choice: random.Random) -> list[Any]:
    """Values beyond the pool, and such as are easily taken for one of it, where no CHECK is likely to refuse them."""
    if column.kind == "text" and not table.checks:
        return [value for value in neighbours(choice.choice(pool)) if fits(value, column)]
    return odd_values(column)


def _refer(row: Row, key: ForeignKey, table: Table, rows: dict[str, list[Row]], choice: random.Random) -> bool:
    """Let the row refer to a parent there is; False when it must and there is none."""
    if key.parent not in rows or any(row.get(name) is None for name in key.columns):
        return True
    parents = [
        parent for parent in rows[key.parent] if all(parent.get(name) is not None for name in key.parent_columns)
    ]
    if parents:
        parent = choice.choice(parents)
        row.update({child: parent[name] for child, name in zip(key.columns, key.parent_columns, strict=True)})
        return True
    for name in key.columns:
        column = table.column(name)
        if column is not None and column.nullable:
            row[name] = None
            return True
    return False


def comparable(value: Any) -> Any:
    """What a unique index may take for the same: some types of text forget spaces at the end."""
    return value.rstrip() if isinstance(value, str) else value
