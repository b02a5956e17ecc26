"""Tries a proposed index on a private copy of the service's SQLite file: what it gains, and what it costs."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from ..database.nplusone import is_read
from ..units import format_duration
from .sql import IndexProposal, propose_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..monitoring.observations import Explain

__all__ = ["LEAST_GAIN", "IndexTrial", "NoTrial", "scan_is_right", "try_index"]

LARGEST_DATABASE = 500_000_000
"""Bytes; a larger file is not copied and the gain is only bounded."""
LEAST_GAIN = 2.0
"""An index that makes the statement less than this much faster is not what it lacks."""
COPY_SECONDS = 10.0
STATEMENT_SECONDS = 10.0
_RUNS = 7
_WRITES = 500
_PAGES_A_STEP = 2_000


@dataclass(frozen=True, slots=True)
class IndexTrial:
    """One statement on a copy of the database, before and after the index."""

    proposal: IndexProposal
    before_seconds: float
    """Median of warm runs, with the first call's parameters."""
    after_seconds: float
    used: bool
    """SQLite's plan uses the new index."""
    rows: int
    """Rows the statement returned."""
    table_rows: int
    index_bytes: int
    build_seconds: float
    write_seconds: float | None
    """Added to each deletion from the table, which is about what an insertion pays too; None when it could not be
    measured."""


@dataclass(frozen=True, slots=True)
class NoTrial:
    """A proposed index that could not be tried."""

    proposal: IndexProposal
    why: str


def try_index(explain: Explain, fingerprint: str) -> IndexTrial | NoTrial | None:
    """Propose an index for one statement and measure it on a copy; None when its plan suggests none.

    The service's file is only read, by SQLite's backup interface. Blocks for seconds: call it off the event loop.

    Args:
        explain: the statement's plan, database, text and parameters.
        fingerprint: its text without literals, used where the agent did not keep the text itself.
    """
    statement = explain.sql or fingerprint
    unseen = propose_index(statement, explain.plan)
    if not is_read(statement):
        return None
    if explain.database is None:
        return NoTrial(unseen, "the database is in memory") if unseen else None
    path = Path(explain.database)
    parameters = _parameters(explain, statement)
    if parameters is None:
        return NoTrial(unseen, "the statement's parameters are not known") if unseen else None
    try:
        size = path.stat().st_size
        if size > LARGEST_DATABASE:
            return NoTrial(unseen, f"the database is larger than {LARGEST_DATABASE // 10**6} MB") if unseen else None
        with tempfile.TemporaryDirectory(prefix="perfloop-") as directory:
            if shutil.disk_usage(directory).free < 3 * size:
                return NoTrial(unseen, "there is no room for a copy of the database") if unseen else None
            copy = Path(directory, "copy.sqlite3")
            _copy(path, copy)
            with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                return _measure(connection, statement, parameters, explain.plan)
    except (sqlite3.Error, OSError, _TooSlow) as error:
        return NoTrial(unseen, f"the copy could not be used: {error}") if unseen else None


def scan_is_right(statement: str, trial: IndexTrial | NoTrial) -> list[str]:
    """A note where the trial showed that no index helps; none where one does, or nothing was tried."""
    if isinstance(trial, NoTrial):
        return []
    index = f"{trial.proposal.table}({', '.join(trial.proposal.columns)})"
    scan = f"a scan of {trial.proposal.table} is right here"
    if not trial.used:
        return [f"{scan}, SQLite does not use an index on {index}: {statement}"]
    if trial.before_seconds < LEAST_GAIN * trial.after_seconds:
        without, with_index = format_duration(trial.before_seconds), format_duration(trial.after_seconds)
        rows = f"{trial.rows:,} of {trial.table_rows:,} rows are wanted"
        return [f"{scan}, {rows}: {without} without and {with_index} with an index on {index}: {statement}"]
    return []


class _TooSlow(Exception):
    """A step took longer than its bound."""


def _copy(source: Path, target: Path) -> None:
    deadline = time.monotonic() + COPY_SECONDS

    def watch(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > deadline:
            raise _TooSlow(f"copying took more than {COPY_SECONDS:.0f} s")

    with (
        contextlib.closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True)) as original,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        original.backup(copy, pages=_PAGES_A_STEP, progress=watch, sleep=0.0)


def _measure(
    connection: sqlite3.Connection, statement: str, parameters: Any, plan: Sequence[str]
) -> IndexTrial | NoTrial | None:
    connection.execute("PRAGMA journal_mode = MEMORY")
    connection.execute("PRAGMA synchronous = OFF")
    proposal = propose_index(statement, plan, _columns(connection))
    if proposal is None:
        return None
    with _bounded(connection):
        before, rows = _time(connection, statement, parameters)
        (table_rows,) = connection.execute(f"SELECT count(*) FROM {_name(proposal.table)}").fetchone()  # noqa: S608
        writes = _time_writes(connection, proposal.table)
        pages = _pages(connection)
        began = time.perf_counter()
        connection.execute(proposal.statement)
        build = time.perf_counter() - began
        grown = (_pages(connection) - pages) * int(connection.execute("PRAGMA page_size").fetchone()[0])
        after, _ = _time(connection, statement, parameters)
        new_plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        writes_after = _time_writes(connection, proposal.table)
    return IndexTrial(
        proposal=proposal,
        before_seconds=before,
        after_seconds=after,
        used=any(proposal.name in line for line in new_plan),
        rows=rows,
        table_rows=int(table_rows),
        index_bytes=max(grown, 0),
        build_seconds=build,
        write_seconds=max(writes_after - writes, 0.0) if writes is not None and writes_after is not None else None,
    )


@contextlib.contextmanager
def _bounded(connection: sqlite3.Connection) -> Iterator[None]:
    deadline = time.monotonic() + STATEMENT_SECONDS

    def expired() -> int:
        return int(time.monotonic() > deadline)

    connection.set_progress_handler(expired, 10_000)
    try:
        yield
    except sqlite3.OperationalError as error:
        if expired():
            raise _TooSlow(f"the trial took more than {STATEMENT_SECONDS:.0f} s") from error
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _time(connection: sqlite3.Connection, statement: str, parameters: Any) -> tuple[float, int]:
    """Median seconds of some runs, after one that warms the cache, and the rows returned."""
    rows = len(connection.execute(statement, parameters).fetchall())
    return _median(lambda: connection.execute(statement, parameters).fetchall()), rows


def _time_writes(connection: sqlite3.Connection, table: str) -> float | None:
    """Seconds a row to delete some rows, which are put back; None for a table without rowid or with objections."""
    name = _name(table)
    connection.execute("BEGIN")
    began = time.perf_counter()
    try:
        changed = connection.execute(
            f"DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name} LIMIT {_WRITES})"  # noqa: S608
        ).rowcount
        took = time.perf_counter() - began
    except sqlite3.Error:
        changed = 0
    finally:
        connection.execute("ROLLBACK")
    return took / changed if changed > 0 else None


def _median(run: Callable[[], object]) -> float:
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _pages(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("PRAGMA page_count").fetchone()[0]
    return count


def _columns(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """Columns by table; the rowid alias is marked."""
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns = {}
    for table in tables:
        described = connection.execute(f"PRAGMA table_info({_name(table)})").fetchall()
        keys = [row for row in described if row[5]]
        rowid = keys[0][1] if len(keys) == 1 and str(keys[0][2]).upper() == "INTEGER" else None
        columns[table] = [f"rowid:{row[1]}" if row[1] == rowid else str(row[1]) for row in described]
    return columns


def _parameters(explain: Explain, statement: str) -> Any:
    """The parameters to run it with; None when they do not fit its text."""
    try:
        parameters = msgspec.json.decode(explain.parameters) if explain.parameters is not None else []
    except msgspec.DecodeError:
        return None
    if isinstance(parameters, list) and statement.count("?") != len(parameters):
        return None
    return parameters


def _name(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'
