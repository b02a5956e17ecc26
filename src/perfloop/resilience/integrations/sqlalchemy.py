"""Transactions of SQLAlchemy, each a call in a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ...exceptions import MissingExtra
from ..check import register_pool
from ..deadline import check_deadline, remaining
from .answers import AnsweredCalls, statement_timeout

try:
    from sqlalchemy import exc, text
    from sqlalchemy.pool import QueuePool
except ImportError as error:
    raise MissingExtra("Expected SQLAlchemy to be installed", where=__name__, hint="pip install sqlalchemy") from error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from ..policy import Policy

__all__ = ["AsyncPolicyEngine", "PolicyEngine"]

R = TypeVar("R")
_SQLITE_ERROR = 1
"""A statement that is wrong, which SQLite calls an OperationalError, too."""


class PolicyEngine:
    """`PolicyEngine(engine, policy).run(work)`: a connection of the pool, a transaction, `work`, commit: one call.

    Failures are errors of the connection, of the server and of the pool. That a constraint is violated or a statement
    is wrong is an answer, and so is an error of `work`'s own: raised, but never repeated nor counted as a failure.
    PostgreSQL is told how long the caller waits (`statement_timeout`). The engine's pool is told to `check`, with the
    policy as its guard.
    """

    def __init__(self, engine: Engine, policy: Policy) -> None:
        """Transactions of the engine in the policy.

        Raises:
            InvalidValue: no policy, or one with a retry that would never repeat anything.
        """
        self._engine, self._calls = engine, AnsweredCalls(policy, _is_failure)
        _tell_pool(engine, policy)

    def run(self, work: Callable[[Connection], R], *, idempotent: bool = False) -> R:
        """What `work` gives for a connection inside a transaction.

        Args:
            work: has no effect but in the transaction, where it may be repeated.
            idempotent: whether doing it twice is as good as once: a commit that failed may have been done.
        """

        def attempt() -> R:
            try:
                with self._engine.begin() as connection:
                    _tell_deadline(connection)
                    return work(connection)
            except Exception as error:
                _check_cancelled(error)
                raise

        result: R = self._calls.execute(attempt, repeat=idempotent)
        return result


class AsyncPolicyEngine:
    """`PolicyEngine` for an event loop: `await AsyncPolicyEngine(engine, policy).run(work)`."""

    def __init__(self, engine: AsyncEngine, policy: Policy) -> None:
        """As `PolicyEngine`."""
        self._engine, self._calls = engine, AnsweredCalls(policy, _is_failure)
        _tell_pool(engine.sync_engine, policy)

    async def run(self, work: Callable[[AsyncConnection], Awaitable[R]], *, idempotent: bool = False) -> R:
        """As `PolicyEngine.run`; a timeout cancels the statement."""

        async def attempt() -> R:
            async with self._engine.begin() as connection:
                return await work(connection)

        result: R = await self._calls.aexecute(attempt, repeat=idempotent)
        return result


def _is_failure(error: Exception) -> bool:
    if isinstance(error, exc.DBAPIError):
        if error.connection_invalidated:
            return True
        if getattr(error.orig, "sqlite_errorcode", None) == _SQLITE_ERROR:
            return False
    return isinstance(error, (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError))


def _tell_pool(engine: Engine, policy: Policy) -> None:
    pool = engine.pool
    if isinstance(pool, QueuePool) and pool._max_overflow >= 0:
        register_pool(policy.name, size=pool.size() + pool._max_overflow, guards=[policy])


def _tell_deadline(connection: Connection) -> None:
    """Nothing else ends a statement that a thread waits for."""
    left = remaining()
    if left is not None and connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT set_config('statement_timeout', :left, true)"), {"left": statement_timeout(left)}
        )


def _check_cancelled(error: Exception) -> None:
    """Have a statement that took too long end as the timeout it is."""
    if getattr(getattr(error, "orig", None), "sqlstate", None) == "57014":
        check_deadline()
