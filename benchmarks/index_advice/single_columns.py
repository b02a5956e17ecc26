"""What an advisor of single columns would build: one index after another on one column, the one that saves most first,
by the planner's cost with HypoPG, until none saves half a percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from perfloop.records import WorkloadStatement

__all__ = ["single_columns"]

_LEAST_SAVED = 0.005
_COLUMNS = """
    SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname, a.attnum
"""

Column = tuple[str, str]


def single_columns(connection: psycopg.Connection[Any], statements: Sequence[WorkloadStatement]) -> list[str]:
    """The `CREATE INDEX` statements, in the order chosen."""
    connection.execute("CREATE EXTENSION IF NOT EXISTS hypopg")
    costs = _Costs(connection, statements)
    columns = [column for column in connection.execute(_COLUMNS).fetchall() if costs.mentions(column)]
    chosen: frozenset[Column] = frozenset()
    order: list[Column] = []
    while True:
        current = costs.of(chosen)
        best = min(columns, key=lambda each: costs.of(chosen | {each}))
        if current - costs.of(chosen | {best}) < _LEAST_SAVED * current:
            break
        chosen |= {best}
        order.append(best)
        # What saves nothing at first may do so beside another, seldom; what saves least is not tried again.
        columns = [each for each in columns if each != best]
    connection.execute("SELECT hypopg_reset()")
    return [_ddl(each) for each in order]


class _Costs:
    """The workload's cost with indexes imagined on columns; each statement is planned once for those it mentions."""

    def __init__(self, connection: psycopg.Connection[Any], statements: Sequence[WorkloadStatement]) -> None:
        self.connection = connection
        self.statements = statements
        self._imagined: dict[Column, int] = {}
        self._held: dict[tuple[str, frozenset[Column]], float] = {}

    def mentions(self, column: Column) -> bool:
        return any(_mentions(each, column) for each in self.statements)

    def of(self, chosen: frozenset[Column]) -> float:
        return sum(each.calls * self._plan(each, chosen) for each in self.statements)

    def _plan(self, statement: WorkloadStatement, chosen: frozenset[Column]) -> float:
        key = (statement.sql, frozenset(each for each in chosen if _mentions(statement, each)))
        if key not in self._held:
            self._imagine(key[1])
            row = self.connection.execute(f"EXPLAIN (FORMAT JSON) {statement.sql}".encode()).fetchone()
            assert row is not None
            self._held[key] = row[0][0]["Plan"]["Total Cost"]
        return self._held[key]

    def _imagine(self, chosen: frozenset[Column]) -> None:
        for gone in self._imagined.keys() - chosen:
            self.connection.execute("SELECT hypopg_drop_index(%s)", (self._imagined.pop(gone),))
        for new in chosen - self._imagined.keys():
            row = self.connection.execute("SELECT indexrelid FROM hypopg_create_index(%s)", (_ddl(new),)).fetchone()
            assert row is not None
            self._imagined[new] = row[0]


def _mentions(statement: WorkloadStatement, column: Column) -> bool:
    return all(name in statement.sql for name in column)


def _ddl(column: Column) -> str:
    return f"CREATE INDEX ON {column[0]} ({column[1]})"
