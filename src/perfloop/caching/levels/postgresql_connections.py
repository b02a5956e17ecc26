"""Connections to PostgreSQL that never wait for longer than they may, whatever the server or the network does."""

from __future__ import annotations

import functools
import hashlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ...exceptions import MissingExtra
from .sql import Transaction

try:
    import psycopg
    from psycopg import errors
    from psycopg.waiting import wait_async
except ImportError as error:
    raise MissingExtra(
        f"PostgreSQL needs psycopg 3, which cannot be imported: {error}", hint="pip install 'perfloop[postgres]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "GRACE_SECONDS",
    "AsyncConnection",
    "Connection",
    "On",
    "TookTooLong",
    "errors",
    "options",
    "psycopg",
    "settings",
]

T = TypeVar("T")
GRACE_SECONDS = 0.5
"""Longer than the server's own limit, so that it is the server that ends a slow statement where it still can."""


class TookTooLong(psycopg.OperationalError):
    """The server has not answered, not even that it took too long."""


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """For threads."""

    limit = 10.0
    """Seconds for an answer."""
    prepared: set[str]
    """Statements."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prepared = set()

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **named: Any) -> T:
        """See `psycopg.Connection`."""
        return super().wait(_until(gen, time.monotonic() + self.limit), *arguments, **named)


class AsyncConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """For event loops."""

    limit = 10.0
    prepared: set[str]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.prepared = set()

    async def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **named: Any) -> T:
        """See `psycopg.AsyncConnection`. A task that is cancelled does not wait for the server to hear of it."""
        return await wait_async(_until(gen, time.monotonic() + self.limit), self.pgconn.socket, interval=0.1)


class On(msgspec.Struct, frozen=True):
    """Carry statements out on a connection: one alone by itself, several as one message.

    The server begins when all of a message is there: who is stopped in the middle of sending has locked nothing. It
    would plan each statement of a message anew, three times the work of carrying it out, so they are prepared before.
    """

    connection: Any
    transaction: Transaction
    prepares: bool = True

    def run(self) -> list[list[Any]]:
        """On a `Connection`."""
        if preparations := self._preparations():
            psycopg.ClientCursor(self.connection).execute("; ".join(preparations.values()))
            self.connection.prepared |= preparations.keys()
        cursor = self._cursor(psycopg.Cursor, psycopg.ClientCursor)
        cursor.execute(*self._message())
        answers = [cursor.fetchall() if cursor.description else []]
        while cursor.nextset():
            answers.append(cursor.fetchall() if cursor.description else [])
        return answers

    async def run_async(self) -> list[list[Any]]:
        """On an `AsyncConnection`."""
        if preparations := self._preparations():
            await psycopg.AsyncClientCursor(self.connection).execute("; ".join(preparations.values()))
            self.connection.prepared |= preparations.keys()
        cursor = self._cursor(psycopg.AsyncCursor, psycopg.AsyncClientCursor)
        await cursor.execute(*self._message())
        answers = [await cursor.fetchall() if cursor.description else []]
        while cursor.nextset():
            answers.append(await cursor.fetchall() if cursor.description else [])
        return answers

    @property
    def _is_message(self) -> bool:
        return len(self.transaction.statements) > 1

    def _preparations(self) -> dict[str, str]:
        """What prepares each statement that this connection has not prepared yet."""
        if not self.prepares or not self._is_message:
            return {}
        asked = dict.fromkeys(sql for sql, _ in self.transaction.statements)
        return {sql: _prepared(sql)[0] for sql in asked if sql not in self.connection.prepared}

    def _cursor(self, alone: Any, several: Any) -> Any:
        if self._is_message:
            return several(self.connection)
        cursor = alone(self.connection)
        cursor.format = psycopg.pq.Format.BINARY
        return cursor

    def _message(self) -> tuple[str, list[Any]]:
        form = (lambda sql: _prepared(sql)[1]) if self.prepares and self._is_message else _marked
        statements = self.transaction.statements
        return "; ".join(form(sql) for sql, _ in statements), [each for _, values in statements for each in values]


@functools.cache
def _marked(sql: str) -> str:
    return sql.replace("?", "%s")


@functools.cache
def _prepared(sql: str) -> tuple[str, str]:
    """What prepares a statement, and what carries it out then."""
    name = f"perfloop_{hashlib.blake2b(sql.encode(), digest_size=8).hexdigest()}"
    first, *rest = sql.split("?")
    numbered = first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
    marks = f"({', '.join(['%s'] * len(rest))})" if rest else ""
    return f"PREPARE {name} AS {numbered}", f"EXECUTE {name}{marks}"


def options(url: str, timeout: float, *, prepares: bool) -> dict[str, Any]:
    """How to connect.

    Args:
        prepares: the server sees all of a connection's statements, and may keep them.
    """
    return {
        "conninfo": url,
        "autocommit": True,
        "connect_timeout": max(1, round(timeout)),
        "fallback_application_name": "perfloop cache",
        "keepalives_idle": 30,
        "prepare_threshold": 0 if prepares else None,
    }


def settings(timeout: float) -> Transaction:
    """What a new connection is told: its limit, and that each statement sees what is there when it begins.

    What is logged is on disk when a change is done, or a crash would take it back; what is not logged never waits.
    """
    return Transaction(
        (
            (f"SET statement_timeout = {max(1, round(timeout * 1000))}", ()),
            ("SET default_transaction_isolation = 'read committed'", ()),
            ("SET synchronous_commit = 'local'", ()),
            ("SET plan_cache_mode = 'force_generic_plan'", ()),
            ("SET client_min_messages = 'warning'", ()),
        )
    )


def _until(gen: Generator[Any, Any, T], deadline: float) -> Generator[Any, Any, T]:
    """The same, ended at the deadline; psycopg asks each 0.1 s."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise TookTooLong("the server does not answer")
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result
