"""Is the write bill true? What rows really cost more to insert with the advised indexes, against what the bills say.

Each of the three tables is made twice, with the advised indexes and without, from its older rows; then the newest are
inserted one by one into both, block by block in turns. Then all over again, the three tables in turns, so that what
else the machine does for some seconds falls on all of them. Processor time of the server's process. Blocks differ, for
an index' pages part where they are full: all count, each with its median over the repetitions.
"""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from perfloop.records.index_advice import AdvisedIndex

__all__ = ["bill_errors"]

# Those of the shop that it writes most.
_TABLES = ("invoice", "invoice_line", "review")
_HELD_BACK_SHARE = 0.1
_MOST_HELD_BACK = 12_000
_REPETITIONS = 8
_BLOCK = 250
# A server that waits for each row spends time on going to sleep and being woken, the more the less a row takes.
_WHILE_ROWS_ARE_SENT = b"SELECT pg_sleep(0.015)"


def bill_errors(connection: psycopg.Connection[Any], advised: Sequence[AdvisedIndex]) -> dict[str, dict[str, float]]:
    """By table, the microseconds that its advised indexes add to a row, as inserted and as billed, and the bills'
    error."""
    by_table = {table: [each for each in advised if each.table == table] for table in _TABLES}
    added: dict[str, list[list[float]]] = {table: [] for table in _TABLES}
    for _ in range(_REPETITIONS):
        for table, indexes in by_table.items():
            added[table].append(_added(connection, table, indexes))
    found = {}
    for table, indexes in by_table.items():
        inserted = statistics.fmean(map(statistics.median, zip(*added[table], strict=True)))
        billed = sum(each.write_bill.insert_us or 0.0 for each in indexes)
        found[table] = {"inserted_us": inserted, "billed_us": billed, "error": abs(billed - inserted) / inserted}
    return found


def _added(connection: psycopg.Connection[Any], table: str, advised: Sequence[AdvisedIndex]) -> list[float]:
    """Microseconds a row, block by block."""
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    older = max(int(row[0] * (1 - _HELD_BACK_SHARE)), row[0] - _MOST_HELD_BACK)
    names = [f"{table}_bare", f"{table}_indexed"]
    for name in names:
        connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)".encode())
        connection.execute(f"INSERT INTO {name} SELECT * FROM {table} ORDER BY {table}_id LIMIT {older}".encode())
    for each in advised:
        ddl = re.sub(r"INDEX CONCURRENTLY \S+ ON \S+", f"INDEX ON {names[1]}", each.create_sql)
        connection.execute(ddl.encode())
    connection.execute(f"VACUUM (ANALYZE) {', '.join(names)}".encode())
    pairs = _pairs(connection, table, names, older)
    connection.execute(f"DROP TABLE {', '.join(names)}".encode())
    return pairs


def _pairs(connection: psycopg.Connection[Any], table: str, names: Sequence[str], older: int) -> list[float]:
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY {table}_id OFFSET {older}".encode()).fetchall()
    values = ", ".join(["%s"] * len(rows[0]))
    taken: dict[str, list[float]] = {name: [] for name in names}
    with connection.cursor() as cursor:
        for number, block in enumerate(rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)):
            for name in names if number % 2 else reversed(names):
                began = _processor_seconds(connection)
                with connection.pipeline():
                    cursor.execute(_WHILE_ROWS_ARE_SENT)
                    cursor.executemany(f"INSERT INTO {name} VALUES ({values})".encode(), block)
                taken[name].append((_processor_seconds(connection) - began) / len(block))
    bare, indexed = (taken[name][1:] for name in names)  # the first warms up
    return [(one - other) * 1e6 for one, other in zip(indexed, bare, strict=True)]


def _processor_seconds(connection: psycopg.Connection[Any]) -> float:
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9
