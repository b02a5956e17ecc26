"""The way to PostgreSQL for threads and event loops: connections, none of them shared across a fork."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from typing import TYPE_CHECKING, Any

from ...exceptions import LevelFailed
from ..effects import Program, run, run_async
from .pool import ConnectionPool, leave_to_parent
from .postgresql_connections import (
    GRACE_SECONDS,
    AsyncConnection,
    Connection,
    On,
    TookTooLong,
    options,
    psycopg,
    settings,
)
from .postgresql_faults import failure, is_lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .sql import Transaction

__all__ = ["PostgreSQLTransport"]


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


class PostgreSQLTransport:
    """The way to a server: a few connections for the threads of a process, and a few for each of its event loops.

    Args:
        url: as libpq reads it.
        size: how many connections at most, each.
        timeout: seconds to connect, for a free connection, and for an answer.
        place: the name of who asks, and where the server is, in messages.
        prepares: prepare statements.
        table: the table of who asks, in messages.
        begin: what is done on each new connection.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int,
        timeout: float,
        place: str,
        prepares: bool = True,
        table: str = "",
        begin: Callable[[Connection | AsyncConnection], Program[None]] | None = None,
    ) -> None:
        self._options = options(url, timeout, prepares=prepares)
        self._prepares = prepares
        self._table = table
        self._begin = begin
        self._size = size
        self._timeout = timeout
        self._place = place
        self._pool = ConnectionPool(self.connect, _close, size=size, wait=timeout, name=place)
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
            raise self.explained(error) from error

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
            raise self.explained(error) from error

    def close(self) -> None:
        self._pool.clear()

    async def aclose(self) -> None:
        self.close()
        self._mine().clear()

    def explained(self, error: psycopg.Error) -> LevelFailed:
        """What a caller is told."""
        return failure(error, self._place, self._timeout, table=self._table)

    def connect(self) -> Connection:
        """A connection of the caller's own.

        Raises:
            LevelFailed: there is none.
        """
        try:
            connection = Connection.connect(**self._options)
            try:
                connection.limit = self._timeout + GRACE_SECONDS
                run(self._set_up(connection))
            except BaseException:
                _close(connection)
                raise
        except psycopg.Error as error:
            raise self.explained(error) from error
        return connection

    async def _connect_async(self) -> AsyncConnection:
        try:
            connection = await AsyncConnection.connect(**self._options)
            try:
                connection.limit = self._timeout + GRACE_SECONDS
                await run_async(self._set_up(connection))
            except BaseException:
                _close(connection)
                raise
        except psycopg.Error as error:
            raise self.explained(error) from error
        return connection

    def _set_up(self, connection: Connection | AsyncConnection) -> Program[None]:
        yield On(connection, settings(self._timeout), prepares=False)
        if self._begin is not None:
            yield from self._begin(connection)

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
