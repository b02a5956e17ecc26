"""Transactions of psycopg, each a call in a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ...exceptions import InvalidValue, MissingExtra
from ..deadline import check_deadline, remaining
from .answers import AnsweredCalls, statement_timeout

try:
    import psycopg
except ImportError as error:
    raise MissingExtra(
        "Expected psycopg to be installed", where=__name__, hint="pip install 'perfloop[postgres]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from ..policy import Policy

__all__ = ["AsyncPolicyConnections", "PolicyConnections"]

R = TypeVar("R")


class PolicyConnections:
    """`PolicyConnections(pool.connection, policy).run(work)`: a connection, a transaction, `work`, commit: one call.

    Failures are errors of the connection and of the server (`OperationalError`, `InterfaceError`). That a constraint is
    violated or a statement is wrong is an answer, and so is an error of `work`'s own: raised, but never repeated nor
    counted as a failure. The server is told how long the caller waits (`statement_timeout`).
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[psycopg.Connection[Any]]], policy: Policy) -> None:
        """Transactions in the policy.

        Args:
            connect: gives a connection that is committed and given back, or closed, at the end of its `with`:
                `pool.connection` of psycopg_pool, or `lambda: psycopg.connect(…)`.
            policy: round each transaction.

        Raises:
            InvalidValue: no function; no policy, or one with a retry that would never repeat anything.
        """
        self._connect, self._calls = _function(connect), AnsweredCalls(policy, _is_failure)

    def run(self, work: Callable[[psycopg.Connection[Any]], R], *, idempotent: bool = False) -> R:
        """What `work` gives for a connection inside a transaction.

        Args:
            work: has no effect but in the transaction, where it may be repeated.
            idempotent: whether doing it twice is as good as once: a commit that failed may have been done.
        """

        def attempt() -> R:
            try:
                with self._connect() as connection, connection.transaction():
                    _tell_deadline(connection)
                    return work(connection)
            except psycopg.errors.QueryCanceled:
                check_deadline()  # ours, or somebody else cancelled it
                raise

        result: R = self._calls.execute(attempt, repeat=idempotent)
        return result


class AsyncPolicyConnections:
    """`PolicyConnections` for an event loop."""

    def __init__(
        self, connect: Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[Any]]], policy: Policy
    ) -> None:
        """As `PolicyConnections`; of psycopg_pool's `AsyncConnectionPool` it is `pool.connection`, too."""
        self._connect, self._calls = _function(connect), AnsweredCalls(policy, _is_failure)

    async def run(self, work: Callable[[psycopg.AsyncConnection[Any]], Awaitable[R]], *, idempotent: bool = False) -> R:
        """As `PolicyConnections.run`; a timeout cancels the statement."""

        async def attempt() -> R:
            async with self._connect() as connection, connection.transaction():
                return await work(connection)

        result: R = await self._calls.aexecute(attempt, repeat=idempotent)
        return result


def _is_failure(error: Exception) -> bool:
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError, OSError))


def _tell_deadline(connection: psycopg.Connection[Any]) -> None:
    """Nothing else ends a statement that a thread waits for."""
    left = remaining()
    if left is not None:
        connection.execute("SELECT set_config('statement_timeout', %s, true)", [statement_timeout(left)])


def _function(connect: R) -> R:
    if not callable(connect):
        raise InvalidValue(
            "Expected a function that gives a connection",
            got=type(connect).__name__,
            where="connect",
            hint="of a pool give pool.connection",
        )
    return connect
