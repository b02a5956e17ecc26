"""What indexes cost those who write to an SQLite file: rows written with all of them and without each, in turns, inside
a transaction that is taken back.

The time is the processor's of this thread, in which SQLite runs: what else the machine does is not in it, nor is the
commit, which takes the same with and without an index but for the pages it writes.

Rows of megabytes take long: of them fewer are read and written, and the rounds end with the time there is for them.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from ...exceptions import DatabaseFailed
from ...records.index_advice import WriteBill
from .definition import quote_identifier
from .new_rows import NotMeasured, copies
from .write_bill import median_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .catalogue import Table
    from .definition import IndexDefinition
    from .options import IndexOptions
    from .sqlite_what_if import SQLiteWhatIf

__all__ = ["measure_sqlite_write_bills", "new_sqlite_rows"]

_EXAMPLES = 5_000
_EXAMPLES_BYTES = 32_000_000
_BLOCK_SECONDS = 0.25
_LEAST_ROUNDS = 5

_Rows = tuple[str, "Callable[[int], list[tuple[Any, ...]]]"]


def measure_sqlite_write_bills(
    clone: SQLiteWhatIf,
    table: Table,
    definitions: Sequence[IndexDefinition],
    chosen: frozenset[IndexDefinition],
    updates: Sequence[tuple[frozenset[str], float]],
    options: IndexOptions,
    deadline: float,
) -> dict[IndexDefinition, WriteBill]:
    """The bill of each of a table's advised indexes.

    Args:
        chosen: all that are advised.
        updates: the columns that each of the workload's updates of this table sets, with its calls.
        deadline: by `time.monotonic`; what is begun ends after a few rounds more.
    """
    reasons: list[str] = []
    written = 0

    def measured(what: str, rows: Callable[[SQLiteWhatIf, Table], _Rows]) -> dict[IndexDefinition, list[float]]:
        nonlocal written
        try:
            if time.monotonic() > deadline:
                raise NotMeasured(f"the {options.write_seconds:.0f} s for write bills were over")
            found, count = _compared(clone, definitions, chosen, rows(clone, table), options, deadline)
            written = max(written, count)
            return found
        except (DatabaseFailed, NotMeasured) as error:
            reasons.append(f"{what}: {error.message if isinstance(error, DatabaseFailed) else error}")
            return {}

    inserted = measured("inserts", new_sqlite_rows)
    columns = max(updates, key=lambda each: each[1])[0] if updates else frozenset[str]()
    updated = measured("updates", lambda clone, table: _updates(clone, table, columns)) if columns else {}
    bills = {}
    for each in definitions:
        insert, update = inserted.get(each), updated.get(each)
        bills[each] = WriteBill(
            beside=[other.name for other in definitions if other is not each],
            insert_us=statistics.median(insert) if insert else None,
            insert_us_interval=median_interval(insert) if insert else None,
            update_us=statistics.median(update) if update else None,
            update_us_interval=median_interval(update) if update else None,
            rows=written,
            source="generated" if insert else "not measured",
            update_source="generated" if update else "not measured",
            why_not="; ".join(reasons) or None,
        )
    return bills


def _compared(
    clone: SQLiteWhatIf,
    definitions: Sequence[IndexDefinition],
    chosen: frozenset[IndexDefinition],
    rows: _Rows,
    options: IndexOptions,
    deadline: float,
) -> tuple[dict[IndexDefinition, list[float]], int]:
    """µs a row that each adds, round by round: with all, and without each, in turns, the order alternating. And how
    many rows were written."""
    sql, fresh = rows
    arms: list[IndexDefinition | None] = [None, *definitions]
    times: dict[IndexDefinition | None, list[float]] = {each: [] for each in arms}
    clone.show(chosen)
    count = _in_time(clone, sql, fresh(options.write_rows))
    for number in range(-1, options.write_rounds):
        for arm in arms if number % 2 else arms[::-1]:
            clone.show(chosen if arm is None else chosen - {arm})
            seconds = _timed(clone, sql, fresh(count))
            if number >= 0:  # the round before the first warms caches
                times[arm].append(seconds)
        if number + 1 >= _LEAST_ROUNDS and time.monotonic() > deadline:
            break
    found = {
        each: [(with_ - without) * 1e6 for with_, without in zip(times[None], times[each], strict=True)]
        for each in definitions
    }
    return found, count * len(times[None])


def _in_time(clone: SQLiteWhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """How many rows a block may have, two at least."""
    end = time.monotonic() + _BLOCK_SECONDS
    count = 0

    def until_the_end() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row
            if time.monotonic() > end:
                break

    with clone.database.rolled_back(), clone.database.guarded():
        clone.database.connection.executemany(sql, until_the_end())
    return max(count, min(2, len(rows)))


def _timed(clone: SQLiteWhatIf, sql: str, rows: Sequence[tuple[Any, ...]]) -> float:
    database = clone.database
    with database.rolled_back(), database.guarded():
        database.connection.execute(sql, rows[0])
        started = time.thread_time()
        database.connection.executemany(sql, rows[1:])
        return (time.thread_time() - started) / max(len(rows) - 1, 1)


def new_sqlite_rows(clone: SQLiteWhatIf, table: Table) -> _Rows:
    """An INSERT of one row, and what gives rows for it: copies of the newest, with fresh keys.

    Raises:
        NotMeasured: it has none to copy, or keys that cannot be made up.
    """
    names = [each.name for each in table.columns.values() if not each.generated and not each.automatic]
    if not names:
        raise NotMeasured(f"{table.name} has no column that an insert names")
    columns = ", ".join(map(quote_identifier, names))
    found = clone.database.rows(f"SELECT {columns} FROM {table.sql} {_newest(table)} LIMIT {_examples(table)}")
    if not found:
        raise NotMeasured(f"{table.name} has no rows to take as an example")

    def greatest(name: str) -> int:
        [(value,)] = clone.database.rows(f"SELECT max({quote_identifier(name)}) FROM {table.sql}")
        return int(value or 0)

    sql = f"INSERT INTO {table.sql} ({columns}) VALUES ({', '.join('?' * len(names))})"
    return sql, copies(table, names, found, greatest)


def _updates(clone: SQLiteWhatIf, table: Table, columns: frozenset[str]) -> _Rows:
    """Each row gets the values of one half the rows away: mostly others than its own, and valid ones."""
    unique = {key.column for index in table.indexes if index.definition.unique for key in index.definition.keys}
    names = sorted(each for each in columns - unique if not table.columns[each].generated)
    if not names:
        raise NotMeasured("they set unique columns, for which no values can be made up")
    keys = list(map(quote_identifier, table.carried)) or ["rowid"]
    chosen = ", ".join([*map(quote_identifier, names), *keys])
    found = clone.database.rows(f"SELECT {chosen} FROM {table.sql} {_newest(table)} LIMIT {_examples(table)}")
    if len(found) < 2:
        raise NotMeasured(f"{table.name} has {len(found)} rows")
    half, count = len(found) // 2, len(names)
    given = [(*found[(place + half) % len(found)][:count], *row[count:]) for place, row in enumerate(found)]
    changed = ", ".join(f"{quote_identifier(each)} = ?" for each in names)
    sql = f"UPDATE {table.sql} SET {changed} WHERE {' AND '.join(f'{each} = ?' for each in keys)}"
    return sql, lambda wanted: given[:wanted]


def _newest(table: Table) -> str:
    keys = list(map(quote_identifier, table.carried)) or ["rowid"]
    return "ORDER BY " + ", ".join(f"{each} DESC" for each in keys)


def _examples(table: Table) -> int:
    """As many rows as fit into some megabytes."""
    return max(min(_EXAMPLES, int(_EXAMPLES_BYTES / max(table.size_bytes / max(table.rows, 1), 1))), 2)
