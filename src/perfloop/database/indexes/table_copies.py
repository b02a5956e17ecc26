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
    from collections.abc import Callable, Iterator, Sequence

    from .catalogue import Table
    from .definition import IndexDefinition
    from .what_if import WhatIf

__all__ = ["TableCopies"]


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
        self._prepared: list[str] = []

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

    def prepare(self, sql: Callable[[str], str]) -> None:
        """A statement for each copy, by the copy's name, with `$1`, `$2` … for values.

        For connections as `open_database` has them, on which psycopg prepares nothing by itself: otherwise it
        deallocates all statements when a table is dropped.
        """
        for name, label in zip(self.names, self.labels, strict=True):
            self.clone.connection.execute(f"PREPARE {label} AS {sql(name)}".encode(), prepare=False)
            self._prepared.append(label)

    def arguments(self, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
        """Values for `seconds_a_row`, a row each, as SQL."""
        from psycopg import ClientCursor

        with ClientCursor(self.clone.connection) as cursor:
            return [cursor.mogrify(f"({', '.join(['%s'] * len(row))})", row).encode() for row in rows]

    def seconds_a_row(self, place: int, arguments: Sequence[bytes]) -> float:
        """What a copy's statement takes with each of these values, one after another.

        The server process' processor time where that can be seen, else the time that passes. All are sent as one
        message: a server that waits for each row goes to sleep and is woken, which is counted as its time, too, and
        happens the more often the less a row takes, which would hide what an index adds.
        """
        connection = self.clone.connection
        execute = f"EXECUTE {self.labels[place]}".encode()
        message = b";".join(execute + each for each in arguments)
        used, started = backend_seconds(connection), time.perf_counter()
        connection.execute(message, prepare=False)
        elapsed, now_used = time.perf_counter() - started, backend_seconds(connection)
        return (now_used - used if used is not None and now_used is not None else elapsed) / len(arguments)

    def drop(self) -> None:
        """Remove them, and their statements."""
        for each in self._prepared:
            self.clone.connection.execute(f"DEALLOCATE {each}".encode())
        self._prepared.clear()
        self.clone.connection.execute(f"DROP TABLE IF EXISTS {', '.join(self.names)}".encode())
