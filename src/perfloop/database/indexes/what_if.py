"""What statements cost on a clone, with indexes that are there, that HypoPG imagines, or that were built for a while.

An index that exists is left out by dropping it inside a transaction that is rolled back: the planner sees the table
without it, and nothing has happened.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .definition import quote_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from .definition import IndexDefinition

__all__ = ["Measured", "PlanCost", "WhatIf", "backend_seconds", "touched_pages"]

_QUICK_MS = 100.0


@dataclass(frozen=True)
class PlanCost:
    """What the planner says."""

    cost: float
    indexes: frozenset[str]
    """Names of those it uses."""
    plan: dict[str, Any]
    hash_bytes: float = 0.0
    """What a hash table may take in memory."""

    @property
    def shape(self) -> str:
        """All of it but its estimates: what has the same shape touches the same pages.

        How many rows are expected counts only for what is hashed and may not fit into memory: it is spilled in as many
        parts as that says.
        """
        return json.dumps(_without_estimates(self.plan, self.hash_bytes), sort_keys=True)


@dataclass(frozen=True)
class Measured:
    """One execution. `ended` is False where the time limit stopped it; the figures are then unknown."""

    cost: float
    buffers: float
    ms: float
    indexes: frozenset[str]
    ended: bool = True


class WhatIf:
    """An open connection to the clone, in autocommit mode, and the indexes built on it for advice.

    Args:
        connection: to a database that may be changed: indexes are built and removed.
        statement_seconds: what one execution may take.
    """

    def __init__(self, connection: psycopg.Connection[Any], *, statement_seconds: float) -> None:
        self.connection = connection
        self.statement_seconds = statement_seconds
        self.built: dict[IndexDefinition, str] = {}
        self.build_seconds: dict[IndexDefinition, float] = {}
        self._names: dict[IndexDefinition, frozenset[str]] = {}
        self._imagined: dict[IndexDefinition, tuple[int, str]] = {}
        self._extensions: list[str] = []
        self._execute("SET jit = off")
        # A busy service has no workers to spare, and what one process reads is the same each time.
        self._execute("SET max_parallel_workers_per_gather = 0")
        self._hash_bytes = self._memory_of_hashes()
        self.hypopg = self._create_extension("hypopg")

    def _memory_of_hashes(self) -> float:
        row = self._execute(
            "SELECT pg_size_bytes(current_setting('work_mem'))"
            " * coalesce(current_setting('hash_mem_multiplier', true)::float8, 1)"
        ).fetchone()
        assert row is not None
        return float(row[0])

    def vacuum(self, table: str) -> None:
        """Rid a table and its indexes of the rows that were taken back. Its statistics stay: plans are as before."""
        self._execute(f"VACUUM (INDEX_CLEANUP ON) {table}")

    def rows_of_statistics(self) -> int:
        """How many rows of a table ANALYZE reads: of more, statistics are those of a sample."""
        row = self._execute("SELECT 300 * current_setting('default_statistics_target')::int").fetchone()
        assert row is not None
        return int(row[0])

    def analyze(self, tables: Sequence[str]) -> None:
        """Draw another sample of tables for the planner's statistics."""
        if tables:
            self._execute(f"ANALYZE {', '.join(tables)}")

    def wal_bytes(self) -> int:
        """All WAL that the server has written."""
        row = self._execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
        assert row is not None
        return int(row[0])

    def extension(self, name: str) -> bool:
        """Have an extension, if the clone's server has it."""
        return self._create_extension(name)

    # Costs.

    def plan(self, sql: str) -> PlanCost:
        """The plan of a statement, which is not executed.

        Raises:
            psycopg.Error: the statement is wrong.
        """
        # VERBOSE names the schema of each table.
        row = self._execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}").fetchone()
        assert row is not None
        return _plan_cost(row[0][0]["Plan"], self._hash_bytes)

    @contextlib.contextmanager
    def only(
        self, chosen: frozenset[IndexDefinition], *, tables: frozenset[tuple[str | None, str]] | None = None
    ) -> Iterator[None]:
        """With just these of the advised indexes, imagined or built. Built ones outside are dropped and rolled back.

        Args:
            tables: only theirs matter.
        """
        self._imagine(chosen - self.built.keys())
        hidden = [
            quote_name(each.schema, name)
            for each, name in self.built.items()
            if each not in chosen and (tables is None or (each.schema, each.table) in tables)
        ]
        with self.without(hidden):
            yield

    @contextlib.contextmanager
    def without(self, names: Sequence[str]) -> Iterator[None]:
        """As if these indexes, names with their schema, were not there."""
        if not names:
            yield
            return
        import psycopg

        with self.connection.transaction() as transaction:
            self._execute("DROP INDEX " + ", ".join(names))
            yield
            raise psycopg.Rollback(transaction)

    def measure(self, sql: str) -> Measured:
        """Execute, and take it back. What is quick is executed twice: the first time warms the caches."""
        first = self._measure_once(sql)
        if not first.ended or first.ms > _QUICK_MS:
            return first
        second = self._measure_once(sql)
        return second if second.ms < first.ms else replace(second, ms=first.ms)

    def _measure_once(self, sql: str) -> Measured:
        import psycopg

        limit = int(self.statement_seconds * 1000)
        try:
            with self.connection.transaction() as transaction:
                self._execute(f"SET LOCAL statement_timeout = {limit}")
                row = self._execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}").fetchone()
                assert row is not None
                result = row[0][0]
                raise psycopg.Rollback(transaction)
        except psycopg.errors.QueryCanceled:
            plan = self.plan(sql)
            return Measured(plan.cost, float("inf"), float(limit), plan.indexes, ended=False)
        plan = _plan_cost(result["Plan"])
        return Measured(plan.cost, touched_pages(result["Plan"]), result["Execution Time"], plan.indexes)

    # Building.

    def build(self, definition: IndexDefinition) -> None:
        """Have it for real, until `close`.

        Raises:
            psycopg.Error: it cannot be built, for instance over a function that is not immutable.
        """
        if definition in self.built:
            return
        self._forget(definition)
        name = self._free_name(definition)
        started = time.perf_counter()
        self._execute(definition.create_sql("postgresql", name=name))
        self.build_seconds[definition] = time.perf_counter() - started
        self.built[definition] = name
        parts = self._execute(
            "SELECT c.relname FROM pg_partition_tree(%s::regclass) JOIN pg_class c ON c.oid = relid",
            (quote_name(definition.schema, name),),
        ).fetchall()
        self._names[definition] = frozenset({name}.union(*parts))
        # An expression has no statistics until somebody looks at its values.
        if any(key.column is None for key in definition.keys):
            self._execute(f"ANALYZE {quote_name(definition.schema, definition.table)}")

    def drop(self, definition: IndexDefinition) -> None:
        """Remove a built one."""
        name = self.built.pop(definition, None)
        if name is not None:
            self._execute(f"DROP INDEX IF EXISTS {quote_name(definition.schema, name)}")

    def close(self) -> None:
        """Leave the clone as it was."""
        for definition in list(self.built):
            self.drop(definition)
        self._imagine(frozenset())
        for name in self._extensions:
            self._execute(f"DROP EXTENSION {name}")

    def size(self, definition: IndexDefinition) -> int:
        """Bytes that it takes, measured where it is built, else as HypoPG estimates."""
        if definition in self.built:
            # Of all partitions: a partitioned index has no pages of its own.
            name = quote_name(definition.schema, self.built[definition])
            row = self._execute(
                "SELECT greatest(pg_relation_size(%(name)s::regclass),"
                " (SELECT sum(pg_relation_size(relid)) FROM pg_partition_tree(%(name)s::regclass)))",
                {"name": name},
            ).fetchone()
            return int(row[0]) if row is not None else 0
        self._imagine(frozenset({definition}) | self._imagined.keys())
        row = self._execute("SELECT hypopg_relation_size(%s)", (self._imagined[definition][0],)).fetchone()
        return int(row[0]) if row is not None else 0

    def imagine(self, definition: IndexDefinition) -> None:
        """Check that HypoPG takes it.

        Raises:
            psycopg.Error: it does not.
        """
        self._imagine(frozenset({definition}))

    def names_of(self, definition: IndexDefinition) -> frozenset[str]:
        """As plans call it: a partitioned table's by the names of its parts."""
        return self._names[definition] if definition in self.built else frozenset({self._imagined[definition][1]})

    # Inner parts.

    def _imagine(self, wanted: frozenset[IndexDefinition]) -> None:
        for each in [each for each in self._imagined if each not in wanted]:
            self._forget(each)
        for each in wanted:
            if each not in self._imagined:
                row = self._execute(
                    "SELECT indexrelid, indexname FROM hypopg_create_index(%s)", (each.create_sql("postgresql"),)
                ).fetchone()
                assert row is not None
                self._imagined[each] = (row[0], row[1])

    def _forget(self, definition: IndexDefinition) -> None:
        held = self._imagined.pop(definition, None)
        if held is not None:
            self._execute("SELECT hypopg_drop_index(%s)", (held[0],))

    def _free_name(self, definition: IndexDefinition) -> str:
        row = self._execute("SELECT to_regclass(%s)", (quote_name(definition.schema, definition.name),)).fetchone()
        return definition.name if row is None or row[0] is None else f"{definition.name[:56]}_{len(self.built)}"

    def _create_extension(self, name: str) -> bool:
        import psycopg

        if self._execute("SELECT FROM pg_extension WHERE extname = %s", (name,)).fetchone() is not None:
            return True
        try:
            self._execute(f"CREATE EXTENSION {name}")
        except psycopg.Error:
            return False
        self._extensions.append(name)
        return True

    def _execute(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> psycopg.Cursor[Any]:
        # Statements of the workload may hold `%`: without parameters nothing is substituted.
        return self.connection.execute(sql.encode(), parameters or None)


def backend_seconds(connection: psycopg.Connection[Any]) -> float | None:
    """Processor time that the connection's server process has used; None where it cannot be seen from here."""
    directory = Path(f"/proc/{connection.info.backend_pid}")
    try:
        if not (directory / "comm").read_text().startswith("postgres"):
            return None
        return int((directory / "schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _plan_cost(plan: dict[str, Any], hash_bytes: float = 0.0) -> PlanCost:
    return PlanCost(float(plan["Total Cost"]), frozenset(_index_names(plan)), plan, hash_bytes)


_ESTIMATES = ("Startup Cost", "Total Cost", "Plan Rows", "Plan Width", "Plans")
_HASHED = ("Hash", "Aggregate", "SetOp", "Recursive Union")
_BYTES_A_ROW = 64


def _without_estimates(plan: dict[str, Any], hash_bytes: float) -> dict[str, Any]:
    kept = {key: value for key, value in plan.items() if key not in _ESTIMATES}
    rows, width = plan.get("Plan Rows", 0), plan.get("Plan Width", 0)
    if plan.get("Node Type") in _HASHED and rows * (width + _BYTES_A_ROW) > hash_bytes / 2:
        kept["Plan Rows"] = rows
    return {**kept, "Plans": [_without_estimates(inner, hash_bytes) for inner in plan.get("Plans", ())]}


def _index_names(plan: dict[str, Any]) -> Iterator[str]:
    if "Index Name" in plan:
        yield plan["Index Name"]
    for inner in plan.get("Plans", ()):
        yield from _index_names(inner)


def touched_pages(plan: dict[str, Any]) -> float:
    """Pages looked at, in the cache or not, of tables, indexes and what was spilled."""
    names = ("Shared Hit", "Shared Read", "Local Hit", "Local Read", "Temp Read", "Temp Written")
    return float(sum(plan.get(f"{name} Blocks", 0) for name in names))
