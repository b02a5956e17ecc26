"""A rate limit that all processes share, in PostgreSQL (extra `postgres`)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...coordination.loop_thread import leave_to_parent
from ...exceptions import ConfigurationError, InvalidValue, MissingExtra
from ..settings import count
from .postgresql_statements import FORGET, NOW, STATEMENTS, TABLE
from .store import Store

try:
    import psycopg
except ImportError as error:
    raise MissingExtra(
        f"A rate limit in PostgreSQL needs psycopg 3, which cannot be imported: {error}",
        hint="pip install 'perfloop[postgres]'",
    ) from error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .algorithm import Algorithm

__all__ = ["PostgreSQLStore", "numbers"]

_FORGET_EVERY = 1_000
_MADE_BY_ANOTHER = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateTable,
)
"""What `IF NOT EXISTS` raises when another process makes the table in this moment: its type comes to be before it."""


def numbers(algorithm: Algorithm[Any]) -> dict[str, Decimal]:
    """What the statements take of an algorithm."""
    return {name: Decimal(getattr(algorithm, name)) for name in ("gain", "cost", "per", "burst", "set_back")}


class PostgreSQLStore(Store):
    """States in a table, a row a key; a call is one statement, and one round trip.

    The server's clock decides. The table is made when it is not there, and not logged: a call costs no write to disk,
    and after a crash of the server all limits begin anew. Rows that no longer matter are deleted in passing.
    """

    failures = (*Store.failures, psycopg.Error)

    def __init__(
        self, url: str, *, timeout: float = 0.1, table: str = "perfloop_rate_limit", max_connections: int = 4
    ) -> None:
        """A store.

        Args:
            url: as libpq reads it.
            timeout: seconds for an answer, connecting included; a call never waits longer for the store.
            table: its name, with a schema or without.
            max_connections: of this process, for all limiters that have this store.

        Raises:
            ConfigurationError: no URL that libpq reads.
            InvalidValue: no text; a name of a table that would have to be quoted.
            MissingExtra: psycopg is not installed.
        """
        super().__init__(timeout)
        _check(url)
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?", table):
            raise InvalidValue("Expected lower-case letters, digits and _", got=table, where="table")
        self._url = url
        self._table = table
        self._size = count(max_connections, "max_connections")
        self._statements = {name: statement.format(table=table, now=NOW) for name, statement in STATEMENTS.items()}
        self._home: asyncio.AbstractEventLoop | None = None
        self._begin()

    def _begin(self) -> None:
        self._looked_at = ""
        self._forgetting: asyncio.Task[None] | None = None
        self._idle: list[psycopg.AsyncConnection[Any]] = []
        self._places = asyncio.Semaphore(self._size)
        self._asked = 0

    async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
        values = {"key": f"{algorithm.signature}:{key}", **numbers(algorithm)}
        async with self._connection() as connection:
            answer = await (await connection.execute(self._statements[algorithm.name], values)).fetchone()
            assert answer is not None
        self._asked += 1
        if self._asked % _FORGET_EVERY == 0 and (self._forgetting is None or self._forgetting.done()):
            self._forgetting = asyncio.create_task(self._forget())
        return int(answer[0])

    async def disconnect(self) -> None:
        while self._idle and self._home is asyncio.get_running_loop():  # else they are the parent's
            await self._idle.pop().close()

    async def _forget(self) -> None:
        """Delete idle rows among those that follow the last ones looked at. No call waits for it, nor fails by it."""
        with contextlib.suppress(*self.failures):
            async with self._connection() as connection:
                found = await connection.execute(FORGET.format(table=self._table), {"after": self._looked_at})
                row = await found.fetchone()
            self._looked_at = "" if row is None or row[0] is None else row[0]

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        here = asyncio.get_running_loop()
        if self._home is not here:
            if self._home is not None:  # forked
                leave_to_parent(self._idle)
                self._begin()
            self._home = here
        async with self._places:
            connection = self._idle.pop() if self._idle else await self._connect()
            try:
                yield connection
            except BaseException:
                gone = [connection]
                if connection.broken:  # the server has closed it, and so the others most likely
                    gone += self._idle
                    self._idle.clear()
                for each in gone:
                    each.pgconn.finish()  # tells the server, and waits for nothing
                raise
            self._idle.append(connection)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, prepare_threshold=0, fallback_application_name="perfloop rate limiter"
        )
        try:
            # Who has given up does not go on waiting for a row that another one has locked.
            milliseconds = max(1, round(self.timeout * 1000))
            await connection.execute(f"SET statement_timeout = {milliseconds}")
            # Who may not make tables can use one that is there.
            found = await (await connection.execute("SELECT to_regclass(%s)", (self._table,))).fetchone()
            if found is None or found[0] is None:
                with contextlib.suppress(*_MADE_BY_ANOTHER):
                    await connection.execute(TABLE.format(table=self._table))
        except BaseException:
            connection.pgconn.finish()
            raise
        return connection


def _check(url: object) -> None:
    """Refuse what libpq would, whose own messages have the URL in them, and with it the password."""
    if not isinstance(url, str):
        raise InvalidValue("Expected a URL", got=type(url).__name__, where="url")
    try:
        ports = str(psycopg.conninfo.conninfo_to_dict(url).get("port") or "")
    except psycopg.Error:
        ports = "none"
    if not all(each.isdigit() for each in ports.split(",") if each):
        raise ConfigurationError(
            "Expected the URL of a PostgreSQL server",
            where="url",
            hint="postgresql://[user[:password]@]host[:port]/database, with %-escapes for / @ : % in a password",
        )
