"""Executions of statements, added up by fingerprint: what every source of a workload makes its record of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from msgspec.structs import replace

from ...agent.fingerprint import fingerprint
from ...records import Parameter, WorkloadStatement, current_environment
from ...records.workload import WorkloadRecord
from ..plans import without_values
from .sql_file import kind_of
from .texts import TextSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import NPlusOne, StatementUse

__all__ = ["Dialect", "WorkloadBuilder", "describe_parameter", "plan_without_values", "redacted"]

Dialect = Literal["postgresql", "sqlite", "mysql"]
_SAMPLES = 5
"""Executions of a statement whose parameters are kept."""
_SAMPLES_OF_WRITES = 50
"""Of one that inserts, updates or deletes: a write bill replays them, and few would all go to the same pages."""
_MOST_STATEMENTS = 5_000
_EXPRESSION = re.compile(r"Cond|Filter|Key|Output|Call|Query|Command")
_SESSION = re.compile(
    r"(?:BEGIN|START TRANSACTION|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|SHOW|DISCARD|DEALLOCATE|CLOSE)\b",
    re.IGNORECASE,
)
"""What belongs to the session and not to the work: no advice is about it."""


class _Sum:
    """One fingerprint so far."""

    def __init__(self, name: str, sql: str) -> None:
        self.sql = sql
        self.texts = TextSample(name)
        self.calls = 0
        self.total_ms = 0.0
        self.slowest_ms = 0.0
        self.rows = 0
        self.parameters: list[list[Parameter]] = []
        self.plan: dict[str, Any] | None = None
        self.uses: list[StatementUse] = []


class WorkloadBuilder:
    """Adds executions up; `record` is what it has.

    Args:
        values: keep literals and values of parameters.
    """

    def __init__(self, *, values: bool = False) -> None:
        self._values = values
        self._sums: dict[str, _Sum] = {}
        self._left_out: dict[str, int] = {}

    def add(
        self,
        sql: str,
        *,
        calls: int = 1,
        total_ms: float = 0.0,
        slowest_ms: float | None = None,
        rows: int = 0,
        parameters: Sequence[Any] | None = None,
        samples: Sequence[Sequence[Parameter]] = (),
        plan: dict[str, Any] | None = None,
        uses: Sequence[StatementUse] = (),
    ) -> None:
        """Add executions of one statement; what only opens, ends or sets up a session's transactions is nobody's work.

        Args:
            sql: as its source has it.
            calls: how often it was executed.
            total_ms: over these calls, in the database.
            slowest_ms: of them; None: all took the same.
            rows: over these calls.
            parameters: of one of them.
            samples: parameters of some of them, described already.
            plan: of the slowest, EXPLAIN's JSON.
            uses: who issues it.
        """
        text = fingerprint(sql)
        if not text or _SESSION.match(text):
            return
        found = self._sums.get(text)
        if found is None:
            if len(self._sums) >= _MOST_STATEMENTS:
                self.leave_out(f"more than {_MOST_STATEMENTS:,} different statements: the further ones")
                return
            found = self._sums[text] = _Sum(text, _shown(sql, values=self._values))
        if self._values:
            found.texts.add(_shown(sql, values=True), calls)
        slowest = total_ms / max(calls, 1) if slowest_ms is None else slowest_ms
        if plan is not None and (found.plan is None or slowest >= found.slowest_ms):
            found.plan = plan if self._values else plan_without_values(plan)
        found.calls += calls
        found.total_ms += total_ms
        found.slowest_ms = max(found.slowest_ms, slowest)
        found.rows += rows
        found.uses += uses
        most = _SAMPLES_OF_WRITES if kind_of(text) in ("insert", "update", "delete") else _SAMPLES
        if parameters and len(found.parameters) < most:
            found.parameters.append([describe_parameter(value, values=self._values) for value in parameters])
        found.parameters += [list(each) for each in samples[: most - len(found.parameters)]]

    def leave_out(self, why: str, count: int = 1) -> None:
        """Note something that could not be taken."""
        self._left_out[why] = self._left_out.get(why, 0) + count

    @property
    def empty(self) -> bool:
        """Nothing has been added."""
        return not self._sums

    def record(
        self,
        dialect: Dialect,
        source: Literal["service", "pg_stat_statements", "log", "sql"],
        *,
        database: str | None = None,
        seconds: float | None = None,
        requests: int = 0,
        n_plus_one: Sequence[NPlusOne] = (),
    ) -> WorkloadRecord:
        """The record, the dearest statement first.

        Args:
            dialect: of the statements.
            source: where they come from.
            database: where they ran, without a password.
            seconds: how long it was watched.
            requests: seen in that time.
            n_plus_one: found in them.
        """
        ordered = sorted(self._sums.items(), key=lambda each: (-each[1].total_ms, -each[1].calls, each[0]))
        return WorkloadRecord(
            environment=current_environment(),
            dialect=dialect,
            source=source,
            database=database,
            seconds=seconds,
            requests=requests,
            redacted=not self._values,
            statements=[_statement(text, each) for text, each in ordered],
            n_plus_one=list(n_plus_one),
            left_out=[why if count == 1 else f"{why} ({count:,} times)" for why, count in self._left_out.items()],
        )


def _shown(sql: str, *, values: bool) -> str:
    shown = sql if values else " ".join(without_values(sql).split())
    return shown.strip().rstrip(";").rstrip()


def _statement(text: str, found: _Sum) -> WorkloadStatement:
    return WorkloadStatement(
        fingerprint=text,
        sql=found.sql,
        kind=kind_of(text),
        calls=found.calls,
        total_ms=round(found.total_ms, 6),
        slowest_ms=round(found.slowest_ms, 6),
        rows=found.rows,
        parameters=found.parameters,
        texts=found.texts.texts(),
        plan=found.plan,
        uses=found.uses,
    )


def redacted(record: WorkloadRecord) -> WorkloadRecord:
    """The record without literals in its statements."""
    statements = [replace(each, sql=_shown(each.sql, values=False), texts=[]) for each in record.statements]
    return replace(record, redacted=True, statements=statements)


def plan_without_values(plan: Any) -> Any:
    """EXPLAIN's JSON with `?` for each literal in its conditions."""
    if isinstance(plan, dict):
        return {
            name: without_values(value)
            if isinstance(value, str) and _EXPRESSION.search(name)
            else plan_without_values(value)
            for name, value in plan.items()
        }
    if isinstance(plan, list):
        return [without_values(each) if isinstance(each, str) else plan_without_values(each) for each in plan]
    return plan


def describe_parameter(value: Any, *, values: bool) -> Parameter:
    """Type and size of one value; the value itself only with `values`.

    Args:
        value: of any type; what JSON does not have is kept as text.
        values: keep it.
    """
    size = len(value) if isinstance(value, (str, bytes, bytearray, list, tuple)) else None
    kept = value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
    return Parameter(type=type(value).__name__, size=size, value=kept if values else None)
