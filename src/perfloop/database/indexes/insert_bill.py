"""What indexes cost those who insert: copies of a table grow by further rows, block by block, in turns.

Inserted are the workload's own rows where it kept enough of them. Otherwise the copies are made without the newest
tenth of the rows, and that tenth is what they grow by: real rows, in their order. The rows stay, so that pages which
fill and part are paid for. Then they are removed, the indexes made afresh, and the copies grow again: nothing but how
busy the machine is tells one growth from the next.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from .definition import quote_identifier
from .new_rows import NotMeasured, copies, greatest, new_rows
from .table_copies import TableCopies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .captured_writes import CapturedRows
    from .catalogue import Table
    from .definition import IndexDefinition
    from .what_if import WhatIf

__all__ = ["Added", "InsertBill", "added"]

_GROWTH = 0.1
# Rows inserted at most, and copied before.
_OF_WRITTEN = (12_000, 200_000)
_OF_OTHERS = (2_000, 40_000)
_BLOCK = 250
_LEAST_BLOCKS = 3
_MADE_UP = 2_000
_DRAWS = 1_000
_PRECISION = 0.06

Added = tuple[float, tuple[float, float]]


class InsertBill:
    """One table's, to be measured by `grow`, several times.

    Args:
        number: tells the copies' names from those of other tables.
        captured: rows of the workload's own: with fresh keys they are inserted again and again.
        written: by the workload; otherwise fewer rows will do, and less of the table is copied.

    Raises:
        NotMeasured: there are no rows to insert.
        psycopg.Error: the table cannot be copied.
    """

    def __init__(
        self,
        clone: WhatIf,
        table: Table,
        definitions: Sequence[IndexDefinition],
        number: int,
        captured: CapturedRows | None = None,
        *,
        written: bool = True,
    ) -> None:
        self.clone = clone
        self.copies = TableCopies(clone, table, definitions, f"grown_{number}")
        self.source: Literal["captured", "held back", "generated"]
        older, columns = self._choose(table, captured, *(_OF_WRITTEN if written else _OF_OTHERS))
        names = ", ".join(map(quote_identifier, columns))
        places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        self._arguments = self.copies.arguments(self.rows)
        self._us: list[list[list[float]]] = []
        self._wal: list[list[float]] = []
        try:
            self.copies.fill(older)
            self.copies.prepare(lambda name: f"INSERT INTO {name} ({names}) OVERRIDING SYSTEM VALUE VALUES ({places})")
        except BaseException:
            self.copies.drop()
            raise
        row = clone.connection.execute("SELECT txid_current() % 4294967296").fetchone()
        assert row is not None
        self._filled = int(row[0])

    @property
    def growths(self) -> int:
        """How often it was measured."""
        return len(self._us)

    def grow(self) -> None:
        """Insert the rows into each copy, and remove them."""
        execute = self.clone.connection.execute
        for name in self.copies.names:
            execute(f"REINDEX TABLE {name}".encode())
        us: list[list[float]] = [[] for _ in self.copies.names]
        wal = [0.0 for _ in self.copies.names]
        blocks = [self._arguments[start : start + _BLOCK] for start in range(0, len(self._arguments), _BLOCK)]
        for number, block in enumerate(blocks):
            for place, _ in self.copies.in_turn(number):
                written = self.clone.wal_bytes()
                seconds = self.copies.seconds_a_row(place, block)
                wal[place] += self.clone.wal_bytes() - written
                if number:  # the first warms up
                    us[place].append(seconds * 1e6)
        self._us.append(us)
        self._wal.append([each / len(self.rows) for each in wal])
        for name in self.copies.names:
            execute(f"DELETE FROM {name} WHERE age(xmin) < age('{self._filled}'::xid)".encode())
            self.clone.vacuum(name)

    def added(self, place: int) -> tuple[Added, float]:
        """Microseconds and bytes of WAL that the index at this place adds to a row."""
        return self._between(place, place + 1), float(np.median([wal[place + 1] - wal[place] for wal in self._wal]))

    @property
    def is_precise(self) -> bool:
        """Whether what all indexes add together is known well enough."""
        found, (low, high) = self._between(0, -1)
        return high - low < 2 * _PRECISION * abs(found)

    def _between(self, first: int, last: int) -> Added:
        return added([[more - less for more, less in zip(us[last], us[first], strict=True)] for us in self._us])

    def close(self) -> None:
        """Remove the copies."""
        self.copies.drop()

    def _choose(
        self, table: Table, captured: CapturedRows | None, most_rows: int, most_copied: int
    ) -> tuple[str, Sequence[str]]:
        """Choose the rows to insert; a query of those to begin with, and the columns of those to insert."""
        wanted = min(table.rows * _GROWTH, most_rows)
        whole = f"SELECT * FROM {table.sql} LIMIT {most_copied}"
        if captured is not None:
            columns, found = captured
            with contextlib.suppress(NotMeasured):
                fresh = copies(table, columns, found, lambda name: greatest(self.clone, table, name))
                self.source, self.rows = "captured", fresh(max(int(wanted), _MADE_UP))
                return whole, columns
        if table.kind == "table" and wanted >= _BLOCK * _LEAST_BLOCKS:
            # By pages, of which the last are the newest; as text, which every type takes.
            a_page = max(table.rows / max(table.pages, 1), 1.0)
            end = table.pages - max(round(wanted / a_page), 1)
            start = max(end - round(most_copied / a_page), 0)
            texts = ", ".join(f"{quote_identifier(each)}::text" for each in self.copies.columns)
            newest = f"SELECT {texts} FROM {table.sql} WHERE ctid >= '({end},0)'::tid"
            rows = self.clone.connection.execute(newest.encode()).fetchall()
            if len(rows) >= _BLOCK * _LEAST_BLOCKS:
                self.source, self.rows = "held back", rows
                older = f"SELECT * FROM {table.sql} WHERE ctid >= '({start},0)'::tid AND ctid < '({end},0)'::tid"
                return older, self.copies.columns
        made_up = new_rows(self.clone, table)
        self.source, self.rows = "generated", made_up.fresh(_MADE_UP)
        return whole, made_up.columns


def added(growths: Sequence[Sequence[float]]) -> Added:
    """The mean over blocks of each block's median over growths, and where it lies with 95 % confidence.

    Blocks differ, for pages part where they are full, so all of them count; growths differ by what else the machine
    did, so the middle one does. The interval is the bootstrap's over growths.

    Args:
        growths: by growth, what each block added.
    """
    values = np.array(growths)
    count = len(values)
    found = float(np.median(values, axis=0).mean())
    if count < 2:
        return found, (float(values.min()), float(values.max()))
    draws = np.random.default_rng(1).integers(0, count, (_DRAWS, count))
    means = np.median(values[draws], axis=1).mean(axis=1)
    # Too narrow by this much: what is drawn from is itself a sample.
    low, high = found + (np.quantile(means, (0.025, 0.975)) - found) * (count / (count - 1)) ** 0.5
    return found, (min(float(low), found), max(float(high), found))
