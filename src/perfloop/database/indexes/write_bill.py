"""What indexes cost writers, measured on the clone: rows written with all of them and without each, in turns, and taken
back each time.

Inserts are rows one by one in a prepared statement: copies of the newest rows, with fresh keys. For updates a copy of
the newest rows is made with room in its pages, so that PostgreSQL's heap-only updates happen where they can: what an
index takes away of them shows.

The clock is the processor time of the server's process, where that can be seen, else the time that passes. The rows are
sent in a pipeline: a process that sleeps and wakes for each takes several times longer over it, and by how much depends
on what else the machine does, so that a microsecond for an index could not be seen. Many short blocks, each beside its
counterpart, and the median of their differences: what disturbs one block disturbs one pair.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from typing import TYPE_CHECKING, Any

from ...records.index_advice import WriteBill
from .definition import quote_identifier, quote_name
from .new_rows import NotMeasured, new_rows, newest
from .what_if import backend_seconds, touched_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .catalogue import Table
    from .definition import IndexDefinition
    from .options import IndexOptions
    from .what_if import WhatIf

__all__ = ["measure_write_bills", "median_interval", "pages_of_insert"]

_WARM_UP = 10
_WAL_ROWS = 20
# Rows taken back stay in the indexes: pages fill, are searched for duplicates and part that would not have. No more of
# them are left there than this share of the table's.
_LEFT_SHARE = 0.01
_SCRATCH_ROWS = 4_000

Arm = "IndexDefinition | None"


def measure_write_bills(
    clone: WhatIf,
    table: Table,
    definitions: Sequence[IndexDefinition],
    updates: Sequence[tuple[frozenset[str], float]],
    options: IndexOptions,
) -> dict[IndexDefinition, WriteBill]:
    """The bill of each of a table's advised indexes, which are all built.

    Args:
        updates: the columns that each of the workload's updates of this table sets, with its calls.
    """
    import psycopg

    inserted: dict[IndexDefinition, tuple[list[float], float]] = {}
    updated: dict[IndexDefinition, tuple[list[float], float]] = {}
    reasons: list[str] = []
    try:
        inserted = _inserts(clone, table, definitions, options)
    except (psycopg.Error, NotMeasured) as error:
        reasons.append(f"inserts: {_said(error)}")
    calls = sum(weight for _, weight in updates)
    columns = _updatable(max(updates, key=lambda each: each[1])[0], table) if updates else ()
    if columns:
        try:
            updated = _updates(clone, table, definitions, columns, options)
        except (psycopg.Error, NotMeasured) as error:
            reasons.append(f"updates: {_said(error)}")
    bills: dict[IndexDefinition, WriteBill] = {}
    for each in definitions:
        insert, update = inserted.get(each), updated.get(each)
        lost = [(names & each.touched_columns, weight) for names, weight in updates if names & each.touched_columns]
        bills[each] = WriteBill(
            insert_us=statistics.median(insert[0]) if insert else None,
            insert_us_interval=median_interval(insert[0]) if insert else None,
            insert_wal_bytes=insert[1] if insert else None,
            update_us=statistics.median(update[0]) if update else None,
            update_us_interval=median_interval(update[0]) if update else None,
            update_wal_bytes=update[1] if update else None,
            lost_hot_share=(sum(weight for _, weight in lost) / calls if calls else 0.0) * _hot_share(table),
            lost_hot_columns=sorted({name for names, _ in lost for name in names}),
            rows=options.write_rows * options.write_rounds if insert or update else 0,
            source="generated" if insert or update else "not measured",
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


def _inserts(
    clone: WhatIf, table: Table, definitions: Sequence[IndexDefinition], options: IndexOptions
) -> dict[IndexDefinition, tuple[list[float], float]]:
    """Added µs a row, round by round, and bytes of WAL, of each index."""
    rows = new_rows(clone, table)
    count, left = options.write_rows, 0

    def write(name: str) -> tuple[float, float]:
        nonlocal left
        if left > _LEFT_SHARE * table.rows:
            clone.vacuum(table.sql)
            left = 0
        with _arm(clone, name):
            given = rows.fresh(count + _WARM_UP + _WAL_ROWS)
            left += len(given)
            wal = _wal(clone, rows.sql, given[:_WAL_ROWS])
            return _timed(clone, rows.sql, given[_WAL_ROWS:]), wal

    return _compared(clone, definitions, write, options)


def _updates(
    clone: WhatIf,
    table: Table,
    definitions: Sequence[IndexDefinition],
    columns: tuple[str, ...],
    options: IndexOptions,
) -> dict[IndexDefinition, tuple[list[float], float]]:
    import psycopg

    scratch = "perfloop_scratch"
    name = quote_name(table.schema, scratch)
    every = ", ".join(quote_identifier(each.name) for each in table.columns.values() if not each.generated)
    changed = ", ".join(f"{quote_identifier(each)} = %s" for each in columns)
    connection = clone.connection
    with connection.transaction() as transaction:
        _relax(clone)
        connection.execute(f"CREATE TABLE {name} (LIKE {table.sql} INCLUDING ALL)".encode())
        connection.execute(f"ALTER TABLE {name} SET (fillfactor = 45, autovacuum_enabled = off)".encode())
        rows = newest(table, _SCRATCH_ROWS)
        fill = f"INSERT INTO {name} ({every}) OVERRIDING SYSTEM VALUE SELECT {every} FROM ({rows}) n"
        connection.execute(fill.encode())
        found = connection.execute(
            f"SELECT ctid::text, {', '.join(map(quote_identifier, columns))} FROM {name}".encode()
        ).fetchall()
        if len(found) < _WARM_UP * 2:
            raise NotMeasured(f"{table.name} has {len(found)} rows")
        copies = _copies(clone, table, scratch, definitions)
        count = min(options.write_rows, len(found) - _WARM_UP)
        # Each row gets the values of one half the table away: mostly others than its own, and valid ones.
        half = len(found) // 2
        given = [(*found[(number + half) % len(found)][1:], row[0]) for number, row in enumerate(found)]
        sql = f"UPDATE {name} SET {changed} WHERE ctid = %s::tid"

        def write(index: str) -> tuple[float, float]:
            with _arm(clone, index):
                wal = _wal(clone, sql, given[count + _WARM_UP :][:_WAL_ROWS] or given[:1])
                return _timed(clone, sql, given[: count + _WARM_UP]), wal

        measured = _compared(clone, definitions, write, options, copies)
        raise psycopg.Rollback(transaction)
    return measured


def _compared(
    clone: WhatIf,
    definitions: Sequence[IndexDefinition],
    write: Callable[[str], tuple[float, float]],
    options: IndexOptions,
    names: dict[IndexDefinition, str] | None = None,
) -> dict[IndexDefinition, tuple[list[float], float]]:
    """With all, and without each: the difference, in turns, the order alternating."""
    arms: list[IndexDefinition | None] = [None, *definitions]
    names = names or {each: quote_name(each.schema, clone.built[each]) for each in definitions}
    times: dict[IndexDefinition | None, list[float]] = {each: [] for each in arms}
    wal: dict[IndexDefinition | None, list[float]] = {each: [] for each in arms}
    for number in range(-1, options.write_rounds):
        for arm in arms if number % 2 else arms[::-1]:
            seconds, written = write("" if arm is None else names[arm])
            if number >= 0:  # the round before the first warms caches
                times[arm].append(seconds)
                wal[arm].append(written)
    return {
        each: (
            [(with_ - without) * 1e6 for with_, without in zip(times[None], times[each], strict=True)],
            statistics.fmean(wal[None]) - statistics.fmean(wal[each]),
        )
        for each in definitions
    }


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


def _timed(clone: WhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> float:
    """Seconds a row, after a few that warm up."""
    clone.connection.prepare_threshold = 0
    with clone.connection.cursor() as cursor:
        text = sql.encode()
        cursor.executemany(text, rows[:_WARM_UP])
        used, started = backend_seconds(clone.connection), time.perf_counter()
        cursor.executemany(text, rows[_WARM_UP:])
        elapsed, now_used = time.perf_counter() - started, backend_seconds(clone.connection)
    taken = now_used - used if used is not None and now_used is not None else elapsed
    return taken / len(rows[_WARM_UP:])


def _wal(clone: WhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> float:
    """Bytes of WAL a row."""
    return statistics.fmean(plan.get("WAL Bytes", 0) for plan in _explained(clone, sql, rows))


def pages_of_insert(clone: WhatIf, table: Table, definition: IndexDefinition) -> float:
    """Pages that an insert of one row touches for an index that is built; 0 where no row can be made up."""
    import psycopg

    def touched(without: str) -> float:
        with _arm(clone, without):
            return statistics.fmean(touched_pages(plan) for plan in _explained(clone, rows.sql, rows.fresh(_WAL_ROWS)))

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


def _updatable(columns: frozenset[str], table: Table) -> tuple[str, ...]:
    """Those that can take other rows' values: in no unique index."""
    unique = {
        key.column for index in table.indexes if index.definition.unique for key in index.definition.keys if key.column
    }
    return tuple(sorted(each for each in columns - unique if not table.columns[each].generated))


def _copies(
    clone: WhatIf, table: Table, scratch: str, definitions: Sequence[IndexDefinition]
) -> dict[IndexDefinition, str]:
    """The names that `LIKE … INCLUDING INDEXES` gave to the copies of the advised indexes."""
    from .postgresql_catalogue import read_catalogue

    copied = read_catalogue(clone.connection).tables[table.schema, scratch]
    originals = read_catalogue(clone.connection).tables[table.key]
    wanted = {each: clone.built[each] for each in definitions}
    found: dict[IndexDefinition, str] = {}
    for each, name in wanted.items():
        original = next(index for index in originals.indexes if index.name == name)
        for index in copied.indexes:
            held = index.definition
            same = (held.keys, held.include, held.where) == (
                original.definition.keys,
                original.definition.include,
                original.definition.where,
            )
            if same and index.definition.method == original.definition.method:
                found[each] = quote_name(table.schema, index.name)
    if len(found) < len(wanted):
        raise NotMeasured("an index could not be copied")
    return found


def _said(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
