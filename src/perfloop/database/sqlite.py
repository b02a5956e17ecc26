"""An SQLite database: its file opened read-only, statements ended when their time is over."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..exceptions import DatabaseFailed, DatabaseLocked, DatabaseUnreachable, PerfloopError, StatementTimedOut
from .connections import Database, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["SQLiteDatabase", "is_interrupt", "open_file"]

_STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock: well below a millisecond."""
_UNFINISHED = frozenset(["SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT"])
_LOCK = re.compile(r"\d+: (?:POSIX|OFDLCK) +\S+ +WRITE +(-?\d+) +[0-9a-f]+:[0-9a-f]+:(\d+) ")


class SQLiteDatabase(Database):
    """See `Database`. A statement has `limits.statement` from its start to its last row."""

    dialect = "sqlite"
    _ends = float("inf")

    @property
    def version(self) -> tuple[int, ...]:
        """Of the library that Python is linked with."""
        return sqlite3.sqlite_version_info

    @contextlib.contextmanager
    def guarded(self, sql: str | None = None, *, before: int = 0) -> Iterator[None]:
        """See `Database.guarded`."""
        self._ends = time.monotonic() + self.limits.statement
        try:
            yield
        except (sqlite3.Error, sqlite3.Warning) as error:
            if is_interrupt(error) and not self.overdue():
                raise KeyboardInterrupt from error
            raise self._fault(error) from error
        finally:
            self._ends = float("inf")

    @contextlib.contextmanager
    def rolled_back(self, *, snapshot: bool = False) -> Iterator[None]:
        """See `Database.rolled_back`. SQLite's transactions are snapshots always, from the first statement on."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def overdue(self) -> bool:
        """The running statement's time is over; what SQLite asks in between."""
        return time.monotonic() > self._ends

    def _execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None) -> Any:
        return self.connection.execute(sql, parameters or ())

    def _fault(self, error: Exception) -> PerfloopError:
        text = str(error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if is_interrupt(error):
            return StatementTimedOut(f"A statement was ended after {self.limits.statement:g} s", where=self.name)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return DatabaseLocked(
                f"The SQLite file stayed locked for {self.limits.lock:g} s{_holders(self.name)}",
                where=self.name,
                hint="wait until it has committed, or give a copy of the file",
            )
        if code == sqlite3.SQLITE_NOTADB:
            return DatabaseFailed("Expected an SQLite database, but the file is none (or encrypted)", where=self.name)
        if getattr(error, "sqlite_errorname", "") in _UNFINISHED:
            return DatabaseFailed(
                "A writer of the SQLite file was interrupted, and what it left beside it has to be taken back first, "
                "which writes to the file",
                where=self.name,
                hint="have the application open it once, or sqlite3 FILE 'SELECT count(*) FROM sqlite_master'; "
                "a copy needs its -journal or -wal file beside it",
            )
        if code == sqlite3.SQLITE_READONLY:
            return DatabaseFailed("Expected a statement that only reads", where=self.name)
        return DatabaseFailed(f"SQLite refuses a statement: {text}", where=self.name)


def is_interrupt(error: Exception) -> bool:
    """The progress handler ended the statement: by what it returned, or by a ^C raised in it, which sqlite3 drops."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT


def open_file(path: str, *, writable: bool, limits: Limits) -> SQLiteDatabase:
    """Open a file, which must be there.

    Raises:
        DatabaseUnreachable, DatabaseLocked, DatabaseFailed: see `open_database`.
    """
    if not path or path == ":memory:":
        raise DatabaseUnreachable("Expected the path of an SQLite file", got=path, hint="such as shop.sqlite3")
    if not Path(path).is_file():
        raise DatabaseUnreachable(
            "Expected an SQLite file, but there is none",
            where=path,
            hint="a PostgreSQL database is given as postgresql://host/database",
        )
    mode = "rw" if writable else "ro"
    uri = f"file:{quote(str(Path(path).absolute()))}?mode={mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=limits.lock, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise DatabaseUnreachable(f"The SQLite file cannot be opened: {error}", where=path) from error
    database = SQLiteDatabase(path, path, connection, writable=writable, limits=limits)
    connection.set_progress_handler(database.overdue, _STEPS)
    try:
        database.rows("SELECT count(*) FROM sqlite_master")
        if not writable:
            database.rows("PRAGMA query_only = ON")
    except PerfloopError:
        connection.close()
        raise
    return database


def _holders(path: str) -> str:
    """Who has the file locked for writing, where the system tells (Linux: /proc/locks)."""
    with contextlib.suppress(OSError):
        inodes = {Path(each).stat().st_ino for each in (path, f"{path}-shm") if Path(each).exists()}
        locks = Path("/proc/locks").read_text().splitlines()
        pids = {int(match[1]) for line in locks if (match := _LOCK.match(line)) and int(match[2]) in inodes}
        names = [_process(pid) for pid in sorted(pids) if pid > 0]
        return f" by {', '.join(names)}" if names else ""
    return ""


def _process(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text().strip()})"
    return f"process {pid}"
