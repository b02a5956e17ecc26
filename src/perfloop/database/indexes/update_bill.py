"""What indexes cost those who update: copies of a table's newest rows, with room in their pages, in turns.

Where there is room PostgreSQL's heap-only updates happen: what an index takes away of them shows. Each block is taken
back, and what that leaves behind is vacuumed away.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from .definition import quote_identifier
from .insert_bill import added
from .new_rows import NotMeasured, newest
from .table_copies import TableCopies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalogue import Table
    from .definition import IndexDefinition
    from .insert_bill import Added
    from .options import IndexOptions
    from .what_if import WhatIf

__all__ = ["measure_updates", "updatable"]

_ROWS = 4_000
_LEAST = 20
_BETWEEN_VACUUMS = 8


def measure_updates(
    clone: WhatIf,
    table: Table,
    definitions: Sequence[IndexDefinition],
    columns: Sequence[str],
    options: IndexOptions,
    captured: Sequence[tuple[Any, ...]] = (),
) -> list[tuple[Added, float]]:
    """Microseconds and bytes of WAL that each index, beside those before it, adds to an update of these columns.

    Args:
        captured: values for the columns, of the workload's own updates; without, they are those of other rows.

    Raises:
        NotMeasured: there are too few rows.
        psycopg.Error: the table cannot be copied.
    """
    copies = TableCopies(clone, table, definitions, "updated", "fillfactor = 45")
    try:
        copies.fill(newest(table, _ROWS))
        return _measured(clone, copies, columns, options, captured)
    finally:
        copies.drop()


def _measured(
    clone: WhatIf,
    copies: TableCopies,
    columns: Sequence[str],
    options: IndexOptions,
    captured: Sequence[tuple[Any, ...]],
) -> list[tuple[Added, float]]:
    import psycopg

    changed = ", ".join(f"{quote_identifier(each)} = ${number}" for number, each in enumerate(columns, 1))
    copies.prepare(lambda name: f"UPDATE {name} SET {changed} WHERE ctid = ${len(columns) + 1}::tid")
    rows = [copies.arguments(_values(clone, name, columns, captured)) for name in copies.names]
    us: list[list[float]] = [[] for _ in rows]
    wal: list[list[float]] = [[] for _ in rows]
    for number in range(-1, options.write_rounds):
        for place, _ in copies.in_turn(number):
            start = (number + 1) * options.write_rows
            block = [rows[place][at % len(rows[place])] for at in range(start, start + options.write_rows)]
            before = clone.wal_bytes()
            with clone.connection.transaction() as transaction:
                seconds = copies.seconds_a_row(place, block)
                raise psycopg.Rollback(transaction)
            if number >= 0:  # the one before the first warms up
                us[place].append(seconds * 1e6)
                wal[place].append((clone.wal_bytes() - before) / len(block))
        if number % _BETWEEN_VACUUMS == 0:
            for name in copies.names:
                clone.vacuum(name)
    return [
        (
            added([[more - less] for more, less in zip(us[place + 1], us[place], strict=True)]),
            statistics.median(more - less for more, less in zip(wal[place + 1], wal[place], strict=True)),
        )
        for place in range(len(copies.definitions))
    ]


def _values(
    clone: WhatIf, name: str, columns: Sequence[str], captured: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """For each row its new values and its place: captured ones, or those of one half the table away, which are mostly
    others, and valid."""
    texts = ", ".join(f"{quote_identifier(each)}::text" for each in columns)
    found = clone.connection.execute(f"SELECT ctid::text, {texts} FROM {name}".encode()).fetchall()
    if len(found) < _LEAST:
        raise NotMeasured(f"the table has {len(found)} rows")
    given = captured or [row[1:] for row in found[len(found) // 2 :] + found[: len(found) // 2]]
    return [(*given[number % len(given)], row[0]) for number, row in enumerate(found)]


def updatable(columns: frozenset[str], table: Table) -> tuple[str, ...]:
    """Those that can take other rows' values: in no unique index."""
    unique = {
        key.column for index in table.indexes if index.definition.unique for key in index.definition.keys if key.column
    }
    return tuple(sorted(each for each in columns - unique if not table.columns[each].generated))
