"""asyncpg: every statement with its place in the code, how long it was awaited, and its rows; waits for its pool."""

from __future__ import annotations

from typing import Any

from ..calls import time_wait
from ..events import WAIT_DATABASE, WAIT_POOL
from ..statements import trace_wait

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time the methods that send a statement; transactions send theirs by `Connection.execute`."""
    name = module.__name__.rpartition(".")[2]
    if name == "connection":
        trace_wait(module.Connection, "execute", _of_execute)
        for method in ("executemany", "fetch", "fetchmany", "fetchrow", "fetchval"):
            trace_wait(module.Connection, method, _of_connection)
    elif name == "prepared_stmt":
        for method in ("executemany", "fetch", "fetchmany", "fetchrow", "fetchval"):
            trace_wait(module.PreparedStatement, method, _of_prepared)
    elif name == "cursor":
        for method in ("_bind", "_bind_exec"):
            trace_wait(module.BaseCursor, method, _of_cursor)
        time_wait(module.BaseCursor, "_exec", WAIT_DATABASE)
    else:
        time_wait(module.Pool, "_acquire", WAIT_POOL)


def _of_execute(connection: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    return args[0] if args else "", _counted(result), not connection.is_in_transaction(), args[1:]


def _of_connection(connection: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    return args[0] if args else "", _rows(args[1:], result), not connection.is_in_transaction(), args[1:]


def _of_prepared(statement: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    rows = _rows(args, result)
    if result == []:
        # It returns nothing, but may have changed rows.
        rows = _counted(statement.get_statusmsg())
    return statement._query, rows, not statement._connection.is_in_transaction(), args


def _of_cursor(cursor: Any, args: tuple[Any, ...], result: Any) -> tuple[Any, int, bool, Any]:
    return cursor._query, len(result) if isinstance(result, list) else 0, False, cursor._args


def _counted(status: Any) -> int:
    """The rows that a status tells: `INSERT 0 5`, `UPDATE 3`; 0 for `BEGIN`."""
    count = status.rpartition(" ")[2] if isinstance(status, str) else ""
    return int(count) if count.isdecimal() else 0


def _rows(args: tuple[Any, ...], result: Any) -> int:
    """Rows returned; of a value the row it came from; of many executions, which return nothing, one each."""
    if isinstance(result, list):
        return len(result)
    if result is None:
        return len(args[0]) if args and isinstance(args[0], (list, tuple)) else 0
    return 1
