"""Is the write bill true? What rows really cost more to insert with the advised indexes, against what the bills say.

Each of the three tables is made twice, with the advised indexes and without, from its older rows; then the newest are
inserted one by one into both in turns. Processor time of the server's process; the median of the pairs. The bills were
measured on a clone, with rows made up, index by index.
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

__all__ = ["TABLES", "bill_error"]

# Those of the shop that it writes most.
TABLES = ("invoice", "invoice_line", "review")
_HELD_BACK_SHARE = 0.1
_MOST_HELD_BACK = 12_000
_ROWS = 72_000
_BLOCK = 250


def bill_error(connection: psycopg.Connection[Any], table: str, advised: Sequence[AdvisedIndex]) -> dict[str, float]:
    """Microseconds that a table's advised indexes add to a row, as inserted and as billed, and the bill's error."""
    pairs: list[float] = []
    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    older = max(int(row[0] * (1 - _HELD_BACK_SHARE)), row[0] - _MOST_HELD_BACK)
    for _ in range(-(-_ROWS // (row[0] - older))):
        names = [f"{table}_bare", f"{table}_indexed"]
        for name in names:
            _copy(connection, table, name, older)
        for each in advised:
            ddl = re.sub(r"INDEX CONCURRENTLY \S+ ON \S+", f"INDEX ON {names[1]}", each.create_sql)
            connection.execute(ddl.encode())
        connection.execute(f"VACUUM (ANALYZE) {', '.join(names)}".encode())
        pairs += _pairs(connection, table, names, older)
        connection.execute(f"DROP TABLE {', '.join(names)}".encode())
    inserted = statistics.median(pairs)
    billed = sum(each.write_bill.insert_us or 0.0 for each in advised)
    return {"inserted_us": inserted, "billed_us": billed, "error": abs(billed - inserted) / inserted}


def _copy(connection: psycopg.Connection[Any], table: str, name: str, rows: int) -> None:
    connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)".encode())
    connection.execute(f"INSERT INTO {name} SELECT * FROM {table} ORDER BY {table}_id LIMIT {rows}".encode())


def _pairs(connection: psycopg.Connection[Any], table: str, names: Sequence[str], older: int) -> list[float]:
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY {table}_id OFFSET {older}".encode()).fetchall()
    values = ", ".join(["%s"] * len(rows[0]))
    taken: dict[str, list[float]] = {name: [] for name in names}
    with connection.cursor() as cursor:
        for number, block in enumerate(rows[at : at + _BLOCK] for at in range(0, len(rows), _BLOCK)):
            for name in names if number % 2 else reversed(names):
                began = _processor_seconds(connection)
                cursor.executemany(f"INSERT INTO {name} VALUES ({values})".encode(), block)
                taken[name].append((_processor_seconds(connection) - began) / len(block))
    bare, indexed = (taken[name][1:] for name in names)  # the first warms up
    return [(one - other) * 1e6 for one, other in zip(indexed, bare, strict=True)]


def _processor_seconds(connection: psycopg.Connection[Any]) -> float:
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9
