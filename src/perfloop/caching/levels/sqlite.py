"""A shared level in a file: for the processes of one host, without a server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ...exceptions import LevelFailed
from .fork_gate import ForkGate
from .pool import ConnectionPool
from .sql import SQLLevel, Transaction, check_table
from .sqlite_faults import failure
from .statements import TABLE_VERSION, Dialect, Statements

if TYPE_CHECKING:
    from ...clock import Clock
    from .sql import Statement

__all__ = ["SQLiteLevel"]

_DIALECT = Dialect(now="perfloop_now()", among="IN (SELECT value FROM json_each({}))", texts="?")
_CONNECTIONS = 16
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WAL_BYTES = 64 << 20
_File: TypeAlias = tuple[int, int]
_FORKS = ForkGate()


class SQLiteLevel(SQLLevel):
    """A level in an SQLite file on a disk of this host, which all its processes may share.

    What it holds does not outlive a restart of the host: ages are told by the clock that counts from there, so that
    setting the time of day changes nothing.

    Args:
        path: of the file; it is made, for its owner alone, where there is none. It may hold other tables, too.
        namespace: what keeps users of the same file apart.
        table: the name of its table, and how those of its other tables begin.
        max_bytes: about how large the file may grow; then what would end first is removed. The write-ahead log beside
            it takes up to 64 MiB more.
        max_entries: about how many entries the table may hold, of all namespaces.
        timeout: seconds to wait for other processes that write.
        name: in messages and telemetry.
        clock: another clock, for tests; all who share the file then need the same.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        namespace: str = "",
        table: str = "perfloop_cache",
        max_bytes: int | None = None,
        max_entries: int | None = None,
        timeout: float = 2.0,
        name: str = "sqlite",
        clock: Clock | None = None,
    ) -> None:
        self._table = check_table(table)
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._bytes_written = 0
        self._file = _Transport(Path(path).absolute(), Statements(_DIALECT, table), timeout, name, clock)
        super().__init__(self._file, _DIALECT, json.dumps, table=table, namespace=namespace, name=name)

    def close(self) -> None:
        """Close the connections that nobody uses now. Whatever is asked afterwards opens new ones."""
        self._file.close()

    def _values(self, stored: Any, tags: list[str]) -> tuple[Any, ...]:
        self._bytes_written += len(stored.data)
        if self._max_bytes is not None and self._bytes_written > self._max_bytes // 32:
            self._bytes_written = 0
            self._is_due = True
        return super()._values(stored, tags)

    def _forgetting(self, many: int) -> list[Statement]:
        statements = super()._forgetting(many)
        first = f"DELETE FROM {self._table} WHERE id IN (SELECT id FROM {self._table} ORDER BY ends LIMIT "
        if self._max_entries is not None:
            over = f"MAX(0, (SELECT COUNT(*) FROM {self._table}) - ?)"
            statements.append((f"{first} MIN(?, {over}))", (many, self._max_entries)))
        if self._max_bytes is not None:
            used = (
                "(SELECT (p.page_count - f.freelist_count) * s.page_size"
                " FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s)"
            )
            statements.append((f"{first} CASE WHEN {used} > ? THEN ? ELSE 0 END)", (self._max_bytes, many)))
        return statements


class _Replaced(Exception):
    """The file is another one than when it was opened."""


class _Connection(sqlite3.Connection):
    file: _File | None = None
    """What it has open."""


class _Transport:
    """Connections to the file; event loops ask by way of a thread of their own."""

    def __init__(self, path: Path, statements: Statements, timeout: float, name: str, clock: Clock | None) -> None:
        self._path = path
        self._sql = statements
        self._timeout = timeout
        self._name = name
        self._boot, self._now = _host_clock() if clock is None else ("given", clock)
        self._pool = ConnectionPool(self._connect, _close, size=_CONNECTIONS, wait=timeout, name=name)
        self._thread: tuple[int, ThreadPoolExecutor] | None = None

    def send(self, request: Transaction) -> list[list[Any]]:
        with _FORKS.entered():
            return self._send(request)

    def _send(self, request: Transaction) -> list[list[Any]]:
        try:
            try:
                with self._pool.take() as connection:
                    if connection.file != self._identity():
                        raise _Replaced
                    return _carry_out(connection, request)
            except _Replaced:  # or removed: what is open is not what others see
                self._pool.clear()
                with self._pool.take(fresh=True) as connection:
                    return _carry_out(connection, request)
        except sqlite3.Error as error:
            self._pool.clear()
            raise failure(error, self._path, self._timeout, self._name) from error

    async def send_async(self, request: Transaction) -> list[list[Any]]:
        if self._thread is None or self._thread[0] != os.getpid():
            self._thread = os.getpid(), ThreadPoolExecutor(1, f"perfloop-{self._name}")
        return await asyncio.get_running_loop().run_in_executor(self._thread[1], self.send, request)

    def close(self) -> None:
        with _FORKS.entered():
            self._pool.clear()
        if self._thread is not None and self._thread[0] == os.getpid():
            self._thread[1].shutdown(wait=False)
        self._thread = None

    def _identity(self) -> _File | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _connect(self) -> _Connection:
        with contextlib.suppress(OSError):  # whatever is wrong, SQLite says better
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
            factory=_Connection,
        )
        connection.file = self._identity()
        try:
            connection.create_function("perfloop_now", 0, self._now.now)
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as error:
                # Two who make the same file: SQLite does not wait here by itself.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
        if mode != "wal":
            raise LevelFailed(
                "Expected a file that SQLite can write ahead for",
                got=mode,
                where=f"{self._name}: {self._path}",
                hint="put it on a disk of this host",
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        if self._is_ready(connection):
            return
        with _writing(connection):
            if self._is_ready(connection):
                return
            table = self._sql.table
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{table}_about",)).fetchone():
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                    raise LevelFailed(
                        f"Expected no table {table}, or one of this level's",
                        got="another one",
                        where=f"{self._name}: {self._path}",
                        hint="give the level another `table`, or another file",
                    )
                for statement in self._sql.create:
                    connection.execute(statement)
            for kind in ("", "_tags", "_holds", "_namespaces", "_known"):
                connection.execute(f"DELETE FROM {table}{kind}")
            connection.execute(f"INSERT OR REPLACE INTO {table}_about VALUES ('boot', ?)", (self._boot,))

    def _is_ready(self, connection: sqlite3.Connection) -> bool:
        """Our tables are there, filled since the host started.

        Raises:
            LevelFailed: they are another version's.
        """
        table = self._sql.table
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (f"{table}_about",)).fetchone():
            return False
        about = dict(connection.execute(f"SELECT name, value FROM {table}_about").fetchall())
        if about.get("version") != TABLE_VERSION:
            raise LevelFailed(
                f"Expected version {TABLE_VERSION} of the table {table}",
                got=about.get("version"),
                where=f"{self._name}: {self._path}",
                hint="give this version of perfloop another `table` or another file; the old one can be removed",
            )
        return about.get("boot") == self._boot


def _carry_out(connection: sqlite3.Connection, request: Transaction) -> list[list[Any]]:
    if request.reads:
        return [connection.execute(*statement).fetchall() for statement in request.statements]
    with _writing(connection):
        return [connection.execute(*statement).fetchall() for statement in request.statements]


@contextlib.contextmanager
def _writing(connection: sqlite3.Connection) -> Any:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _close(connection: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):  # it could do no more anyway
        connection.close()


class _BootClock:
    """Seconds since the host started, those that it slept too."""

    def now(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class _WallClock:
    def now(self) -> float:
        return time.time()


def _host_clock() -> tuple[str, Clock]:
    """What tells this run of the host from others, and a clock that its processes share and that nobody sets."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        with contextlib.suppress(OSError):
            return _BOOT_ID.read_text().strip(), _BootClock()
    return "", _WallClock()
