"""What indexes cost writers, measured on copies of their tables: see `insert_bill` and `update_bill`.

Each index is billed beside those that are advised before it for the same table: what two indexes cost together is more
than the sum of what each costs alone, and the bills are to add up.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...records.index_advice import WriteBill
from .captured_writes import captured_inserts, captured_updates
from .definition import quote_name
from .insert_bill import InsertBill
from .new_rows import NotMeasured, new_rows
from .update_bill import measure_updates, updatable
from .what_if import touched_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .catalogue import Table
    from .costs import Judged
    from .definition import IndexDefinition
    from .insert_bill import Added
    from .options import IndexOptions
    from .what_if import WhatIf

__all__ = ["WrittenTable", "measure_write_bills", "median_interval", "pages_of_insert"]

_LEAST_GROWTHS = 5
_EXPLAINED_ROWS = 20


@dataclass(frozen=True)
class WrittenTable:
    """A table and the indexes advised for it."""

    table: Table
    definitions: Sequence[IndexDefinition]
    """In the order in which they are advised."""
    inserts: float = 0.0
    """Rows that the workload inserts."""
    updates: Sequence[tuple[frozenset[str], float]] = ()
    """The columns that each of the workload's updates sets, with its calls."""
    statements: Sequence[Judged] = ()
    """The workload's."""

    @property
    def is_written(self) -> bool:
        """Whether the workload inserts into it or updates it."""
        return bool(self.inserts or self.updates)


def measure_write_bills(
    clone: WhatIf, tables: Sequence[WrittenTable], options: IndexOptions
) -> dict[IndexDefinition, WriteBill]:
    """The bill of each advised index. They are removed from the clone's own tables.

    All tables grow once, then all once more: what else the machine does for a while falls on one growth of each.
    """
    for table in tables:
        for definition in table.definitions:
            clone.drop(definition)
    reasons: dict[Table, list[str]] = {each.table: [] for each in tables}
    inserted: dict[Table, InsertBill] = {}
    try:
        _grow(clone, tables, inserted, reasons, options)
        return {
            definition: found
            for each in tables
            for definition, found in _bills(clone, each, inserted.get(each.table), reasons[each.table], options).items()
        }
    finally:
        for bill in inserted.values():
            bill.close()


def _grow(
    clone: WhatIf,
    tables: Sequence[WrittenTable],
    inserted: dict[Table, InsertBill],
    reasons: dict[Table, list[str]],
    options: IndexOptions,
) -> None:
    """Those that are written most come first, and grow until their bill is precise; the others a few times."""
    import psycopg

    deadline = time.monotonic() + options.write_seconds
    due = sorted(tables, key=lambda each: -each.inserts)
    for growth in range(options.write_growths):
        for number, each in enumerate(due):
            late = time.monotonic() > deadline
            try:
                if growth == 0:
                    if late:
                        raise NotMeasured(f"the {options.write_seconds:.0f} s for write bills were over")
                    captured = captured_inserts(clone, each.table, each.statements)
                    inserted[each.table] = InsertBill(
                        clone, each.table, each.definitions, number, captured, written=each.is_written
                    )
                if growth == 0 or not late:
                    inserted[each.table].grow()
            except (psycopg.Error, NotMeasured) as error:
                reasons[each.table].append(f"inserts: {_said(error)}")
                if each.table in inserted:
                    inserted.pop(each.table).close()
        due = [each for each in due if each.table in inserted]
        if growth + 1 >= _LEAST_GROWTHS:
            due = [each for each in due if each.is_written and not inserted[each.table].is_precise]


def _bills(
    clone: WhatIf, written: WrittenTable, insert: InsertBill | None, reasons: list[str], options: IndexOptions
) -> dict[IndexDefinition, WriteBill]:
    import psycopg

    table = written.table
    updated: list[tuple[Added, float]] = []
    columns = updatable(max(written.updates, key=lambda each: each[1])[0], table) if written.updates else ()
    captured = captured_updates(clone, table, written.statements) if columns else None
    if captured is not None and set(captured[0]) <= set(updatable(frozenset(captured[0]), table)):
        columns = captured[0]
    else:
        captured = None
    if columns:
        try:
            values = captured[1] if captured is not None else ()
            updated = measure_updates(clone, table, written.definitions, columns, options, values)
        except (psycopg.Error, NotMeasured) as error:
            reasons.append(f"updates: {_said(error)}")
    calls = sum(weight for _, weight in written.updates)
    rows = len(insert.rows) * insert.growths if insert else options.write_rows * options.write_rounds if updated else 0
    bills: dict[IndexDefinition, WriteBill] = {}
    for place, each in enumerate(written.definitions):
        (insert_us, insert_interval), insert_wal = insert.added(place) if insert else ((None, None), None)
        (update_us, update_interval), update_wal = updated[place] if updated else ((None, None), None)
        touching = [(names & each.touched_columns, weight) for names, weight in written.updates]
        lost = [(names, weight) for names, weight in touching if names]
        bills[each] = WriteBill(
            beside=[before.name for before in written.definitions[:place]],
            insert_us=insert_us,
            insert_us_interval=insert_interval,
            insert_wal_bytes=insert_wal,
            update_us=update_us,
            update_us_interval=update_interval,
            update_wal_bytes=update_wal,
            lost_hot_share=(sum(weight for _, weight in lost) / calls if calls else 0.0) * _hot_share(table),
            lost_hot_columns=sorted({name for names, _ in lost for name in names}),
            rows=rows,
            source=insert.source if insert else "not measured",
            update_source=("generated" if captured is None else "captured") if updated else "not measured",
            why_not="; ".join(reasons) or None,
        )
    return bills


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with at least 95 % confidence, by the sign test: between two of the values themselves."""
    ordered, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += 2 * math.comb(count, rank) / 2**count
        if outside > 0.05:
            break
        rank += 1
    return ordered[max(rank - 1, 0)], ordered[count - max(rank, 1)]


def _hot_share(table: Table) -> float:
    """Of the table's updates until now, those that stayed in their page; all, where that was not counted."""
    if not table.updates or table.hot_updates is None:
        return 1.0
    return table.hot_updates / table.updates


@contextlib.contextmanager
def _arm(clone: WhatIf, name: str) -> Iterator[None]:
    """Inside a transaction that is taken back, without one index."""
    import psycopg

    with clone.connection.transaction() as transaction:
        _relax(clone)
        if name:
            clone.connection.execute(f"DROP INDEX {name}".encode())
        yield
        raise psycopg.Rollback(transaction)


def _relax(clone: WhatIf) -> None:
    """No checks of foreign keys, no triggers, where that is allowed: they cost the same with and without an index."""
    import psycopg

    with contextlib.suppress(psycopg.Error), clone.connection.transaction():
        clone.connection.execute("SET LOCAL session_replication_role = replica")


def pages_of_insert(clone: WhatIf, table: Table, definition: IndexDefinition) -> float:
    """Pages that an insert of one row touches for an index that is built; 0 where no row can be made up."""
    import psycopg

    def touched(without: str) -> float:
        with _arm(clone, without):
            return statistics.fmean(
                touched_pages(plan) for plan in _explained(clone, rows.sql, rows.fresh(_EXPLAINED_ROWS))
            )

    try:
        rows = new_rows(clone, table)
        touched("")  # what the first of a connection touches of the catalogue
        return touched("") - touched(quote_name(definition.schema, clone.built[definition]))
    except (psycopg.Error, NotMeasured):
        return 0.0


def _explained(clone: WhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    from psycopg import ClientCursor

    with ClientCursor(clone.connection) as cursor:
        for row in rows:
            cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, WAL, TIMING OFF, FORMAT JSON) " + sql.encode(), row)
            found = cursor.fetchone()
            assert found is not None
            yield found[0][0]["Plan"]


def _said(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
