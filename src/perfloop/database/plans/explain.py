"""Have a database explain a statement: planned, or also executed in a transaction that is rolled back."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ...exceptions import ConfigurationError, DatabaseFailed
from ...records import PlanProblem, PlanRecord, current_environment
from ...units import format_duration
from .judgement import find_problems, worst_node
from .placeholders import bind, number_placeholders
from .postgresql import read_postgresql_plan
from .sqlite import read_sqlite_plan
from .values import without_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..connections import Database

__all__ = ["ExplainOptions", "explain"]

_NAME = "perfloop_statement"
_NOTABLE = 0.2
"""Share of the execution that triggers or compilation may take before they are a problem."""
_LONG_PLANNING_MS = 10.0
_NO_FIGURES = "SQLite's plans hold no costs and no numbers of rows: what is named here follows from their shape alone"


@dataclass(frozen=True)
class ExplainOptions:
    """How a statement is explained.

    Attributes:
        analyze: execute it too, for actual figures; what it would change is refused, except in a clone.
        parameters: values of its placeholders, in order or as `name=value`; without any, the plan is the generic one.
        values: keep literals and values in the record: they may be anybody's data.
    """

    analyze: bool = False
    parameters: tuple[str, ...] = ()
    values: bool = False


def explain(database: Database, sql: str, options: ExplainOptions | None = None) -> PlanRecord:
    """The plan of one statement, judged.

    Raises:
        ConfigurationError: no statement, or --analyze without values for its placeholders.
        InvalidValue: values that do not fit the placeholders.
        DatabaseFailed and its kinds: the statement cannot be planned or executed; see `Database.guarded`.
    """
    options = options or ExplainOptions()
    text = re.sub(r"[;\s]+\Z", "", sql)
    if not text.strip():
        raise ConfigurationError("Expected an SQL statement, got none")
    numbered, names = number_placeholders(text, database.dialect)
    values: list[str | None] | None = None
    if options.parameters or (names and options.analyze):
        values = bind(names, options.parameters, where="--parameter")
    make = _explain_postgresql if database.dialect == "postgresql" else _explain_sqlite
    with database.rolled_back():
        record = make(database, numbered if names else text, len(names), values, options)
    return replace(record, sql=text if options.values else without_values(text))


def _explain_postgresql(
    database: Database, sql: str, placeholders: int, values: Sequence[str | None] | None, options: ExplainOptions
) -> PlanRecord:
    asked = ["FORMAT JSON", "VERBOSE"]
    if database.version >= (12,):
        asked.append("SETTINGS")
    if options.analyze:
        asked += ["ANALYZE", "BUFFERS"]
    generic = bool(placeholders) and values is None
    statement = sql
    if placeholders:
        # EXPLAIN (GENERIC_PLAN) is of PostgreSQL 16; a prepared statement gives the same in all versions.
        database.rows(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan")
        _one(database, f"PREPARE {_NAME} AS ", sql)
        given = [_literal(value) for value in values or [None] * placeholders]
        statement = f"EXECUTE {_NAME}({', '.join(given)})"
    try:
        [(plans,)] = _one(database, f"EXPLAIN ({', '.join(asked)}) ", statement)
    finally:
        if placeholders:
            _forget(database)
    [plan] = plans
    root = read_postgresql_plan(plan, values=options.values)
    problems = [*find_problems(root), *_whole(plan)]
    return PlanRecord(
        environment=current_environment(),
        dialect="postgresql",
        database=database.name,
        version=".".join(map(str, database.version)),
        sql="",
        analyzed=options.analyze,
        generic=generic,
        settings={name: str(value) for name, value in plan.get("Settings", {}).items() if name != "plan_cache_mode"},
        planning_ms=plan.get("Planning Time"),
        execution_ms=plan.get("Execution Time"),
        root=root,
        worst=worst_node(root.walk()),
        problems=problems,
        notes=_notes(generic, options.analyze),
    )


def _notes(generic: bool, analyzed: bool) -> list[str]:
    notes = []
    if generic:
        notes.append(
            "planned for unknown values of its placeholders; for given ones (--parameter) the plan may be another"
        )
    if not analyzed:
        notes.append("estimated figures only: the statement was not executed (--analyze does)")
    return notes


def _one(database: Database, before: str, sql: str) -> list[tuple[Any, ...]]:
    """Carry out text with a statement from outside: the protocol used lets no second one follow in it."""
    with database.guarded(before + sql, before=len(before)):
        cursor = database.connection.execute(before + sql, binary=True)
        return cursor.fetchall() if cursor.description is not None else []


def _forget(database: Database) -> None:
    """Prepared statements outlive a transaction, even one that is rolled back."""
    if database.connection.info.transaction_status.name == "INTRANS":
        database.rows(f"DEALLOCATE {_NAME}")


def _literal(value: str | None) -> str:
    if value is None:
        return "NULL"
    quoted = value.replace("'", "''")
    return f"E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in value else f"'{quoted}'"


def _whole(plan: dict[str, Any]) -> list[PlanProblem]:
    """What costs the statement as a whole: triggers, compilation, planning."""
    found = []
    execution, planning = plan.get("Execution Time"), plan.get("Planning Time", 0.0)
    if execution is None:
        return []
    for trigger in plan.get("Triggers", ()):
        if trigger["Time"] >= _NOTABLE * execution:
            name = trigger.get("Constraint Name") or trigger["Trigger Name"]
            found.append(
                PlanProblem(
                    kind="trigger",
                    node=None,
                    words=f"{format_duration(trigger['Time'] / 1e3)} went to {trigger['Calls']:,} calls of {name}",
                    advice="where it checks a foreign key, an index on the referring columns spares it the scan",
                )
            )
    compiling = plan.get("JIT", {}).get("Timing", {}).get("Total", 0.0)
    if compiling >= _NOTABLE * execution:
        found.append(
            PlanProblem(
                kind="compilation",
                node=None,
                words=f"{format_duration(compiling / 1e3)} of {format_duration(execution / 1e3)} went to compilation",
                advice="SET LOCAL jit = off for such statements, or raise jit_above_cost",
            )
        )
    if planning >= max(execution, _LONG_PLANNING_MS):
        found.append(
            PlanProblem(
                kind="planning",
                node=None,
                words=f"planning took {format_duration(planning / 1e3)}, execution {format_duration(execution / 1e3)}",
                advice="prepare it once and execute it often, or join fewer tables and partitions",
            )
        )
    return found


def _explain_sqlite(
    database: Database, sql: str, placeholders: int, values: Sequence[str | None] | None, options: ExplainOptions
) -> PlanRecord:
    given = [_number(value) for value in values or [None] * placeholders]
    root = read_sqlite_plan(database.rows(f"EXPLAIN QUERY PLAN {sql}", given))
    if not root.children and not re.match(r"(?is)\s*(?:SELECT|WITH|VALUES|INSERT|UPDATE|DELETE|REPLACE)\b", sql):
        raise DatabaseFailed("Expected a statement that has a plan", got=without_values(sql)[:80])
    elapsed = rows = None
    if options.analyze:
        begun = time.perf_counter()
        rows = len(database.rows(sql, given))
        elapsed = (time.perf_counter() - begun) * 1e3
    return PlanRecord(
        environment=current_environment(),
        dialect="sqlite",
        database=database.name,
        version=".".join(map(str, database.version)),
        sql="",
        analyzed=options.analyze,
        generic=bool(placeholders) and values is None,
        execution_ms=elapsed,
        rows_returned=rows,
        root=root,
        problems=find_problems(root),
        notes=[_NO_FIGURES if root.children else "SQLite carries this statement out without a plan"],
    )


def _number(value: str | None) -> object:
    """A value as SQLite compares it: a number where it is one."""
    for kind in (int, float):
        try:
            return None if value is None else kind(value)
        except ValueError:
            continue
    return value
