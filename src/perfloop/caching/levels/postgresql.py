"""A shared level in PostgreSQL, on tables that are not logged: for the processes of several hosts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from typing import TYPE_CHECKING, Any

import msgspec

from ...exceptions import LevelFailed
from ..effects import Program, run, run_async
from .pool import ConnectionPool, leave_to_parent
from .postgresql_connections import (
    GRACE_SECONDS,
    AsyncConnection,
    Connection,
    On,
    TookTooLong,
    errors,
    options,
    psycopg,
    settings,
)
from .postgresql_faults import failure, is_lost, place_of
from .sql import SQLLevel, Transaction, check_table
from .statements import TABLE_VERSION, Dialect, Statements

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["PostgreSQLLevel"]

_DIALECT = Dialect(
    now="EXTRACT(EPOCH FROM clock_timestamp())::float8",
    among="= ANY({})",
    texts="CAST(? AS text[])",
    shared="SELECT pg_advisory_xact_lock_shared(?)",
    exclusive="SELECT pg_advisory_xact_lock(?)",
    skip_locked=" FOR UPDATE SKIP LOCKED",
    unlogged="UNLOGGED",
    bytes_type="bytea",
    number_type="float8",
    texts_type="text[]",
)
_SETUP_LOCK = 0x706572666C6F6F70  # "perfloop": one process at a time makes tables


class PostgreSQLLevel(SQLLevel):
    """A level in tables of a PostgreSQL database, made where there are none.

    The tables are not logged, so that writing costs no disk: a crash of the server empties them. The server's clock
    tells ages. `PostgreSQLLevel.schema()` is what somebody who may create tables runs for those who may not.

    Args:
        url: of the database, as libpq reads it: a URL or `host=… dbname=…`.
        namespace: what keeps users of the same tables apart.
        table: the name of the table of entries, also as `schema.table`, and how those of its other tables begin.
        logged: log the tables, so that they outlive a crash and reach standbys.
        connections: how many at most for the threads of a process, and for each of its event loops.
        prepared: prepare statements: a third of the server's work. Not behind a pooler that gives each transaction
            another connection, as PgBouncer may.
        timeout: seconds to connect, for a free connection, and for the server's work.
        name: in messages and telemetry.

    Raises:
        InvalidValue: the URL or the table's name cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "",
        table: str = "perfloop_cache",
        logged: bool = False,
        connections: int = 8,
        prepared: bool = True,
        timeout: float = 2.0,
        name: str = "postgresql",
        _now: str = _DIALECT.now,
    ) -> None:
        dialect = _dialect(logged=logged, now=_now)
        place = f"{name} at {place_of(url)}"
        self._server = _Transport(url, Statements(dialect, check_table(table)), connections, timeout, place, prepared)
        super().__init__(self._server, dialect, list, table=table, namespace=namespace, name=name)

    @staticmethod
    def schema(table: str = "perfloop_cache", *, logged: bool = False) -> str:
        """The SQL that makes the tables."""
        return ";\n".join(Statements(_dialect(logged=logged), check_table(table)).create) + ";\n"

    def close(self) -> None:
        """Close the connections of threads that nobody uses now. Whatever is asked afterwards opens new ones."""
        self._server.close()

    async def aclose(self) -> None:
        """Close those of this event loop, too."""
        await self._server.aclose()


def _dialect(*, logged: bool, now: str = _DIALECT.now) -> Dialect:
    return msgspec.structs.replace(_DIALECT, now=now, unlogged="" if logged else _DIALECT.unlogged)


class _LoopConnections:
    """Those of one event loop."""

    def __init__(self, size: int) -> None:
        self.process = os.getpid()
        self.idle: list[AsyncConnection] = []
        self.places = asyncio.Semaphore(size)

    def clear(self) -> None:
        """Close those that nobody uses now."""
        while self.idle:
            _close(self.idle.pop())


class _Transport:
    def __init__(self, url: str, statements: Statements, size: int, timeout: float, place: str, prepares: bool) -> None:
        self._options = options(url, timeout, prepares=prepares)
        self._prepares = prepares
        self._sql = statements
        self._size = size
        self._timeout = timeout
        self._place = place
        self._pool = ConnectionPool(self._connect, _close, size=size, wait=timeout, name=place)
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopConnections] = (
            weakref.WeakKeyDictionary()
        )

    def send(self, request: Transaction) -> list[list[Any]]:
        try:
            try:
                with self._pool.take() as connection:
                    return On(connection, request, self._prepares).run()
            except psycopg.Error as error:
                self._pool.clear()
                if not is_lost(error) or isinstance(error, TookTooLong):
                    raise
                # Perhaps the server was started anew. All that is asked may be asked twice.
                with self._pool.take(fresh=True) as connection:
                    return On(connection, request, self._prepares).run()
        except psycopg.Error as error:
            raise self._failure(error) from error

    async def send_async(self, request: Transaction) -> list[list[Any]]:
        try:
            try:
                async with self._take() as connection:
                    return await On(connection, request, self._prepares).run_async()
            except psycopg.Error as error:
                self._mine().clear()
                if not is_lost(error) or isinstance(error, TookTooLong):
                    raise
                async with self._take(fresh=True) as connection:
                    return await On(connection, request, self._prepares).run_async()
        except psycopg.Error as error:
            raise self._failure(error) from error

    def close(self) -> None:
        self._pool.clear()

    async def aclose(self) -> None:
        self.close()
        self._mine().clear()

    def _failure(self, error: psycopg.Error) -> LevelFailed:
        return failure(error, self._place, self._timeout, table=self._sql.table)

    def _connect(self) -> Connection:
        try:
            connection = Connection.connect(**self._options)
            try:
                connection.limit = self._timeout + GRACE_SECONDS
                run(self._prepare(connection))
            except BaseException:
                _close(connection)
                raise
        except psycopg.Error as error:
            raise self._failure(error) from error
        return connection

    async def _connect_async(self) -> AsyncConnection:
        try:
            connection = await AsyncConnection.connect(**self._options)
            try:
                connection.limit = self._timeout + GRACE_SECONDS
                await run_async(self._prepare(connection))
            except BaseException:
                _close(connection)
                raise
        except psycopg.Error as error:
            raise self._failure(error) from error
        return connection

    def _prepare(self, connection: Connection | AsyncConnection) -> Program[None]:
        """Set the limits, and make the tables where there are none."""
        sql = self._sql
        yield On(connection, settings(self._timeout), prepares=False)
        looking = ("SELECT to_regclass(?)::text, to_regclass(?)::text", (f"{sql.table}_about", sql.table))
        [[(about, table)]] = yield On(connection, Transaction((looking,)))
        if about is None:
            if table is not None:
                raise LevelFailed(
                    f"Expected no table {table}, or one of this level's",
                    got="another one",
                    where=self._place,
                    hint="give the level another `table`",
                )
            lock = ("SELECT pg_advisory_xact_lock(?)", (_SETUP_LOCK,))
            with contextlib.suppress(errors.DuplicateTable):  # somebody else has made them while we waited for the lock
                yield On(connection, Transaction((lock, *((each, ()) for each in sql.create))), prepares=False)
        [versions] = yield On(connection, Transaction(((sql.version, ()),)))
        if versions != [(TABLE_VERSION,)]:
            raise LevelFailed(
                f"Expected version {TABLE_VERSION} of the table {sql.table}",
                got=versions[0][0] if versions else None,
                where=self._place,
                hint="give this version of perfloop another `table`; the old ones can be dropped",
            )

    @contextlib.asynccontextmanager
    async def _take(self, *, fresh: bool = False) -> AsyncIterator[AsyncConnection]:
        mine = self._mine()
        try:
            async with asyncio.timeout(self._timeout):
                await mine.places.acquire()
        except TimeoutError:
            raise LevelFailed(
                f"All {self._size} connections were in use for {self._timeout:g} s",
                where=self._place,
                hint="allow more of them with `connections`, or have fewer tasks ask at a time",
            ) from None
        try:
            connection = mine.idle.pop() if mine.idle and not fresh else await self._connect_async()
            try:
                yield connection
            except BaseException:
                _close(connection)
                raise
            mine.idle.append(connection)
        finally:
            mine.places.release()

    def _mine(self) -> _LoopConnections:
        loop = asyncio.get_running_loop()
        mine = self._loops.get(loop)
        if mine is not None and mine.process == os.getpid():
            return mine
        for other, connections in list(self._loops.items()):
            if connections.process != os.getpid():
                leave_to_parent(self._loops.pop(other))
            elif other.is_closed():
                self._loops.pop(other).clear()
        mine = self._loops[loop] = _LoopConnections(self._size)
        return mine


def _close(connection: Connection | AsyncConnection) -> None:
    connection.pgconn.finish()  # tells the server, and waits for nothing
