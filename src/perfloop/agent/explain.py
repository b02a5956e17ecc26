"""EXPLAIN QUERY PLAN for a statement that took long, once per fingerprint, without disturbing the service's cursors."""

from __future__ import annotations

import json
import re
from typing import Any

from . import LIGHT
from .channel import CHANNEL
from .protocol import EXPLAIN

__all__ = ["SLOW", "Explainer"]

SLOW = 1_000_000
"""A call that took so many nanoseconds, fetching included, is worth a look."""
_VERY_SLOW = 2_000_000
_EXPLAINABLE = re.compile(r"\s*(?:SELECT|WITH|UPDATE|DELETE)\b", re.IGNORECASE)
_PLAIN = (int, float, str, bytes, type(None))
_MAX_PARAMETERS = 4_000
_MAX_SQL = 100_000


class Explainer:
    """Decides which statement to explain, and does it on the connection it ran on."""

    wanted = not LIGHT
    """Somebody takes the plans; for all of them at once."""

    def __init__(self, plain_cursor: Any) -> None:
        """`plain_cursor`: sqlite3's own cursor class, not a subclass of ours."""
        self._cursor = plain_cursor
        self._seen: dict[int, bool] = {}
        """Statement number → whether it is settled; those seen slow once are not."""

    def consider(self, statement: int, duration: int, connection: Any, sql: Any, parameters: Any) -> None:
        """After a call of at least SLOW: explain the statement if it is very slow, or slow for the second time."""
        settled = not self.wanted or self._seen.get(statement)
        if settled or (settled is None and len(self._seen) >= 5_000):
            return
        if settled is None and duration < _VERY_SLOW:
            self._seen[statement] = False
            return
        self._seen[statement] = True
        try:
            self._explain(statement, connection, sql, parameters)
        except Exception as error:
            # Busy, closed, a function missing on this connection: no plan, and no harm.
            CHANNEL.hook_failed("explain", error)

    def _explain(self, statement: int, connection: Any, sql: Any, parameters: Any) -> None:
        if not isinstance(sql, str) or not _EXPLAINABLE.match(sql):
            return
        # Other values would run the service's own adapters: their place is enough for the plan.
        bound: Any
        if isinstance(parameters, dict):
            bound = {name: value if type(value) in _PLAIN else None for name, value in parameters.items()}
        elif isinstance(parameters, (tuple, list)):
            bound = tuple(value if type(value) in _PLAIN else None for value in parameters)
        else:
            bound = ()
        cursor = self._cursor(connection)
        try:
            plan = [_text(row[3]) for row in cursor.execute("EXPLAIN QUERY PLAN " + sql, bound).fetchall()]
            database = None
            for row in cursor.execute("PRAGMA database_list").fetchall():
                if _text(row[1]) == "main":
                    database = _text(row[2]) or None
        finally:
            cursor.close()
        CHANNEL.put_json(
            EXPLAIN,
            {
                "statement": statement,
                "plan": plan,
                "database": database,
                "parameters": _as_json(parameters),
                "sql": sql[:_MAX_SQL],
            },
        )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _as_json(parameters: Any) -> str | None:
    values = parameters.values() if isinstance(parameters, dict) else parameters
    if not isinstance(parameters, (dict, tuple, list)):
        return None
    if any(type(value) not in (int, float, str, type(None)) for value in values):
        return None
    text = json.dumps(parameters if isinstance(parameters, dict) else list(parameters))
    return text if len(text) <= _MAX_PARAMETERS else None
