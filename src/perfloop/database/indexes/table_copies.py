"""Copies of a table on the clone: without any of the advised indexes, with the first, with the first two, and so on.

What an index costs beside those before it is the difference between two neighbours. Copies have no foreign keys and no
triggers: those cost the same with an index and without.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .definition import quote_identifier, quote_name
from .what_if import backend_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .catalogue import Table
    from .definition import IndexDefinition
    from .what_if import WhatIf

__all__ = ["TableCopies", "seconds_a_row"]

# For a few hundred rows.
_SENDING_SECONDS = 0.015


class TableCopies:
    """Made in the table's own schema; gone after `drop`.

    Args:
        table: to copy, on which none of the advised indexes is built any more.
        definitions: the advised indexes, in order.
        label: of the copies' names.
        storage: `WITH` parameters of the copies.
    """

    def __init__(
        self, clone: WhatIf, table: Table, definitions: Sequence[IndexDefinition], label: str, storage: str = ""
    ) -> None:
        self.clone = clone
        self.table = table
        self.definitions = definitions
        self.columns = [each.name for each in table.columns.values() if not each.generated]
        self.labels = [f"perfloop_{label}_{number}" for number in range(len(definitions) + 1)]
        self.names = [quote_name(table.schema, each) for each in self.labels]
        self.storage = f", {storage}" if storage else ""

    @property
    def listed(self) -> str:
        """The columns that can be written, as SQL."""
        return ", ".join(map(quote_identifier, self.columns))

    def fill(self, rows: str) -> None:
        """Create the copies with the rows of a query in them, and build the indexes.

        Raises:
            psycopg.Error: the table cannot be copied.
        """
        execute = self.clone.connection.execute
        for number, (name, label) in enumerate(zip(self.names, self.labels, strict=True)):
            execute(f"CREATE TABLE {name} (LIKE {self.table.sql} INCLUDING ALL)".encode())
            execute(f"ALTER TABLE {name} SET (autovacuum_enabled = off{self.storage})".encode())
            insert = f"INSERT INTO {name} ({self.listed}) OVERRIDING SYSTEM VALUE SELECT {self.listed} FROM ({rows}) r"
            execute(insert.encode())
            for place, each in enumerate(self.definitions[:number]):
                copied = replace(each, table=label)
                execute(copied.create_sql("postgresql", name=f"{label}_advised_{place}").encode())
            for column in (each for each in self.table.columns.values() if each.automatic):
                # A copied identity begins at 1 again; one that is no identity has no sequence of its own.
                going_on = (
                    f"SELECT setval(pg_get_serial_sequence(%s, %s), max({quote_identifier(column.name)})) FROM {name}"
                )
                execute(going_on.encode(), (name, column.name))
            self.clone.vacuum(name)

    def in_turn(self, number: int) -> Iterator[tuple[int, str]]:
        """Place and name of each copy, so that none always follows the same one."""
        order = list(enumerate(self.names))
        start = number // 2 % len(order)
        order = order[start:] + order[:start]
        yield from reversed(order) if number % 2 else order

    def drop(self) -> None:
        """Remove them."""
        self.clone.connection.execute(f"DROP TABLE IF EXISTS {', '.join(self.names)}".encode())


def seconds_a_row(clone: WhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> float:
    """What a statement takes with each of these values.

    The server process' processor time where that can be seen, else the time that passes. The rows are sent in a
    pipeline while the process sleeps, so that it finds them all when it wakes: to go to sleep and be woken is counted
    as its time, too, and happens the more often the less a row takes, which would hide what an index adds.
    """
    connection = clone.connection
    connection.prepare_threshold = 0
    used, started = backend_seconds(connection), time.perf_counter()
    with connection.pipeline(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_sleep({_SENDING_SECONDS})".encode())
        cursor.executemany(sql.encode(), rows)
    elapsed, now_used = time.perf_counter() - started - _SENDING_SECONDS, backend_seconds(connection)
    return (now_used - used if used is not None and now_used is not None else elapsed) / len(rows)
