"""psycopg 3, sync and async: every statement with its place in the code, its time and rows; commits and rollbacks."""

from __future__ import annotations

from time import monotonic_ns, thread_time_ns
from typing import TYPE_CHECKING, Any

from ..active import ACTIVE
from ..calls import time_method, time_wait
from ..channel import CHANNEL
from ..events import DATABASE, STATEMENT, STEP, WAIT_DATABASE
from ..originals import get_ident
from ..state import CURRENT
from ..statements import CHANGE, COMMIT, COUNTERS, TRACED, add_statement, site_of, statement_of, trace_wait

if TYPE_CHECKING:
    from ..statements import Describe

__all__ = ["apply"]

_IDLE = 0
"""libpq's number for "no transaction is open"."""
_FETCHES = ("fetchone", "fetchmany", "fetchall", "scroll")
_LOCAL = 20_000
"""Most rows of a server-side cursor are here already when they are asked for: that takes less nanoseconds."""


def apply(module: Any) -> None:
    """Time what sends statements in one of psycopg's modules. All its cursors inherit from the ones named here."""
    name = module.__name__.rpartition(".")[2]
    if name in ("cursor", "_server_cursor"):
        cursor = module.Cursor if name == "cursor" else module.ServerCursor
        for method in ("execute", "executemany"):
            _trace_call(cursor, method, _of_cursor)
        if name == "_server_cursor":
            for method in (*_FETCHES, "__next__"):
                time_method(cursor, method, DATABASE, least=_LOCAL)
    elif name in ("cursor_async", "_server_cursor_async"):
        cursor = module.AsyncCursor if name == "cursor_async" else module.AsyncServerCursor
        for method in ("execute", "executemany"):
            trace_wait(cursor, method, _of_cursor)
        if name == "_server_cursor_async":
            for method in (*_FETCHES, "__anext__"):
                time_wait(cursor, method, WAIT_DATABASE)
    elif name == "connection":
        for method in ("commit", "rollback"):
            _trace_call(module.Connection, method, _ending(method.upper()), needed=_in_transaction)
    elif name == "connection_async":
        for method in ("commit", "rollback"):
            trace_wait(module.AsyncConnection, method, _ending(method.upper()), needed=_in_transaction)
    else:
        _trace_call(module.Transaction, "__enter__", _entered)
        _trace_call(module.Transaction, "__exit__", _left)
        trace_wait(module.AsyncTransaction, "__aenter__", _entered)
        trace_wait(module.AsyncTransaction, "__aexit__", _left)


def _of_cursor(cursor: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    sql = args[0] if args else ""
    if not isinstance(sql, str):
        # Bytes, a composed statement or a template: what was made of it.
        made = getattr(cursor._query, "query", b"")
        sql = (sql if isinstance(sql, bytes) else made).decode("utf-8", "replace")
    closed = cursor.connection.pgconn.transaction_status == _IDLE
    return sql, max(cursor.rowcount, 0), closed, args[1] if len(args) > 1 else None


def _in_transaction(connection: Any) -> bool:
    return bool(connection.pgconn.transaction_status != _IDLE)


def _ending(text: str) -> Describe:
    return lambda connection, args, result: (text, 0, True, None)


def _entered(transaction: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    return "BEGIN" if transaction._outer_transaction else "SAVEPOINT", 0, False, None


def _left(transaction: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    kept = args[:1] == (None,) and not transaction.force_rollback
    if transaction._outer_transaction:
        return "COMMIT" if kept else "ROLLBACK", 0, True, None
    return "RELEASE SAVEPOINT" if kept else "ROLLBACK TO SAVEPOINT", 0, False, None


def _trace_call(owner: Any, name: str, describe: Describe, needed: Any = None) -> None:
    """Replace a method that runs a statement by one that records it; see `trace_wait`."""
    method = getattr(owner, name)
    if getattr(method, TRACED, False):
        return

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        segment = ACTIVE.get(get_ident())
        if (segment is not None and segment.depth) or (needed is not None and not needed(self)):
            return method(self, *args, **options)
        if segment is not None:
            segment.depth = 1
        cpu = thread_time_ns()
        start = monotonic_ns()
        result = None
        try:
            result = method(self, *args, **options)
            return result
        finally:
            duration = monotonic_ns() - start
            cpu = thread_time_ns() - cpu
            if segment is not None:
                segment.depth = 0
            try:
                sql, rows, closed, parameters = describe(self, args, result)
                statement = statement_of(sql)
                if statement[1] == COMMIT or (statement[1] == CHANGE and closed):
                    COUNTERS.commits += 1
                if request is not None and request.live:
                    on_loop = 1 if segment is not None and segment.kind == STEP else 0
                    site = site_of(request, sql, 1)
                    times = start, duration, cpu
                    rows = rows * 2 + on_loop
                    add_statement(request, STATEMENT, times, statement, site, rows, parameters, sql, closed)
            except Exception as error:
                CHANNEL.hook_failed("psycopg", error)

    traced.__name__ = name
    traced.__qualname__ = getattr(method, "__qualname__", name)
    traced.__doc__ = method.__doc__
    traced.__wrapped__ = method  # type: ignore[attr-defined]
    setattr(traced, TRACED, True)
    setattr(owner, name, traced)
