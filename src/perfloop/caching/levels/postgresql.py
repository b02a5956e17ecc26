"""A shared level in PostgreSQL, on tables that are not logged: for the processes of several hosts."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from ...exceptions import LevelFailed
from .postgresql_connections import AsyncConnection, Connection, On, errors
from .postgresql_faults import place_of
from .postgresql_transport import PostgreSQLTransport
from .sql import SQLLevel, Transaction, check_table
from .statements import TABLE_VERSION, Dialect, Statements

if TYPE_CHECKING:
    from ..effects import Program

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
        self._place = place
        self._server = PostgreSQLTransport(
            url,
            size=connections,
            timeout=timeout,
            place=place,
            prepares=prepared,
            table=check_table(table),
            begin=self._prepare,
        )
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

    def _prepare(self, connection: Connection | AsyncConnection) -> Program[None]:
        """Make the tables where there are none."""
        sql = self._sql
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


def _dialect(*, logged: bool, now: str = _DIALECT.now) -> Dialect:
    return msgspec.structs.replace(_DIALECT, now=now, unlogged="" if logged else _DIALECT.unlogged)
