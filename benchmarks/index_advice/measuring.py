"""What a workload costs on a database with indexes that are really there. Shares nothing with the advice it judges."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from perfloop.records import WorkloadStatement

__all__ = ["Workload"]

# Nothing that depends on how busy the machine is: the same plans and the same pages each time.
_SETTINGS = "SET jit = off; SET max_parallel_workers_per_gather = 0; SET statement_timeout = '5s'"
_PAGES = ("Shared Hit", "Shared Read", "Local Hit", "Local Read", "Temp Read", "Temp Written")
_INDEXES = """
    SELECT indexrelid::regclass::text, indrelid::regclass::text, indexprs IS NOT NULL,
           CASE WHEN c.conname IS NULL THEN format('DROP INDEX %s', indexrelid::regclass)
                ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', indrelid::regclass, c.conname) END
    FROM pg_index LEFT JOIN pg_constraint c ON c.conindid = indexrelid AND c.contype IN ('p', 'u')
    WHERE indrelid::regclass::text NOT LIKE 'pg\\_%' OR indrelid::regclass::text LIKE 'pgbench%'
"""


class Workload:
    """Statements on one database.

    Args:
        connection: to the database, in autocommit mode.
        statements: with values in them.
    """

    def __init__(self, connection: psycopg.Connection[Any], statements: Sequence[WorkloadStatement]) -> None:
        self.connection = connection
        # What is written and rolled back leaves rows behind: whatever reads, reads before.
        self.statements = sorted(statements, key=lambda each: each.kind != "select")
        self._held: dict[tuple[str, str, frozenset[str]], float] = {}
        connection.execute(_SETTINGS)

    @contextlib.contextmanager
    def having(self, ddl: Sequence[str]) -> Iterator[None]:
        """With these indexes or keys, which are gone at the end."""
        before = self._indexes()
        for each in ddl:
            self.connection.execute(each.encode())
        new = [row for name, row in self._indexes().items() if name not in before]
        for table in {table for _, table, has_expressions, _ in new if has_expressions}:
            self.connection.execute(f"ANALYZE {table}".encode())
        try:
            yield
        finally:
            for *_, drop in new:
                self.connection.execute(drop.encode())

    def cost(self) -> float:
        """The planner's, by calls."""
        return sum((each.calls * self._plan(each.sql)["Total Cost"] for each in self.statements), 0.0)

    def pages(self) -> tuple[float, list[str]]:
        """Pages touched, by calls, of what ends in time; and the statements that do not."""
        touched = self._touched()
        pairs = list(zip(self.statements, touched, strict=True))
        unended = [each.sql for each, pages in pairs if pages == float("inf")]
        return sum(each.calls * pages for each, pages in pairs if pages != float("inf")), unended

    def saved_by(self, names: Sequence[str]) -> dict[str, float]:
        """By index: pages that the whole workload touches more without it while the others are there. Infinite where a
        statement ends only with it."""
        everything = self._touched()
        saved: dict[str, float] = {}
        for name in names:
            with self.connection.transaction(force_rollback=True):
                self.connection.execute(f"DROP INDEX {name}".encode())
                without = self._touched(tidy=False)
            self._tidy()
            saved[name] = sum(
                each.calls * (bare - with_)
                for each, bare, with_ in zip(self.statements, without, everything, strict=True)
                if bare != with_
            )
        return saved

    def _touched(self, *, tidy: bool = True) -> list[float]:
        """Pages of one execution of each; infinite where it does not end in time."""
        found: list[float] = []
        for each in self.statements:
            plan = self._plan(each.sql)
            # The same plan touches the same pages. A write also keeps up its table's indexes, which its plan hides.
            kept_up = self._indexes_of(plan["Relation Name"] if each.kind != "select" else None)
            key = (each.sql, json.dumps(plan), kept_up)
            if key not in self._held:
                # The first insert finds room, or makes it: what any further one touches is the least of some.
                self._held[key] = min(self._execute(each.sql) for _ in range(1 if each.kind == "select" else 3))
            found.append(self._held[key])
        if tidy:
            self._tidy()
        return found

    def _plan(self, sql: str) -> dict[str, Any]:
        return self._explain(f"EXPLAIN (FORMAT JSON) {sql}")

    def _execute(self, sql: str) -> float:
        try:
            with self.connection.transaction(force_rollback=True):
                plan = self._explain(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}")
        except psycopg.errors.QueryCanceled:
            return float("inf")
        return float(sum(plan[f"{name} Blocks"] for name in _PAGES))

    def _explain(self, sql: str) -> dict[str, Any]:
        row = self.connection.execute(sql.encode()).fetchone()
        assert row is not None
        plan: dict[str, Any] = row[0][0]["Plan"]
        return plan

    def _indexes(self) -> dict[str, tuple[str, str, bool, str]]:
        """Name → name, table, whether it holds expressions, and what drops it."""
        return {row[0]: row for row in self.connection.execute(_INDEXES).fetchall()}

    def _indexes_of(self, wanted: str | None) -> frozenset[str]:
        return frozenset(name for name, (_, table, *_) in self._indexes().items() if table == wanted)

    def _tidy(self) -> None:
        if any(each.kind != "select" for each in self.statements):
            self.connection.execute("VACUUM")
