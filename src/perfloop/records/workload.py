"""The record of a database workload: which statements ran, how often, from where, and what they cost."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from .kinds import Place, Record
from .nplusone import NPlusOne  # noqa: TC001  # a Struct's types are read at run time

__all__ = ["Parameter", "StatementText", "StatementUse", "WorkloadRecord", "WorkloadStatement"]


class Parameter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter of a sampled execution."""

    type: str
    """Python's or the database's name of the type: `int`, `str`, `datetime`, `NoneType`."""
    size: int | None = None
    """Characters or bytes, for text and binary values; elements, for lists."""
    value: Any = None
    """None where it is redacted, which is the default."""


class StatementText(Struct, frozen=True, kw_only=True):
    """One text of a statement, with the literals of some executions."""

    sql: str
    calls: int


class StatementUse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place that issues a statement, on one route."""

    route: str | None = None
    place: Place | None = None
    """The innermost line of the user's code; None: there was none on the stack."""
    loop: Place | None = None
    """The loop around it, where one was found."""
    calls: int
    requests: int = 0
    """Requests that issued it from here at least once."""
    per_request_p50: float = 0.0
    """Calls a request, median over those requests."""
    per_request_max: int = 0
    in_transaction: bool | None = None
    """Executed between an explicit BEGIN and its end; None: not known."""


class WorkloadStatement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fingerprint."""

    fingerprint: str
    """The statement without its values (see `agent.fingerprint`)."""
    sql: str
    """The statement as it can be planned: with placeholders where its source had them. Literals stay only where values
    are not redacted; redacted ones are `?`, as in the fingerprint."""
    kind: Literal["select", "insert", "update", "delete", "other"]
    calls: int
    total_ms: float = 0.0
    """Time in the database over all calls; 0 where the source does not tell."""
    slowest_ms: float = 0.0
    rows: int = 0
    """Rows returned or changed, over all calls."""
    parameters: list[list[Parameter]] = field(default_factory=list)
    """Some executions' parameters, in order."""
    texts: list[StatementText] = field(default_factory=list)
    """Some texts that differ in their literals, the commonest first; empty where all are alike, or redacted."""
    plan: dict[str, Any] | None = None
    """The slowest execution's plan, EXPLAIN's JSON, where the source had one (auto_explain)."""
    uses: list[StatementUse] = field(default_factory=list)


class WorkloadRecord(Record, frozen=True, kw_only=True, tag="workload"):
    """What `perfloop db capture` writes and `perfloop db advise` reads."""

    dialect: Literal["postgresql", "sqlite", "mysql"]
    source: Literal["service", "pg_stat_statements", "log", "sql"]
    database: str | None = None
    """Where it ran, without its password."""
    seconds: float | None = None
    """How long it was watched; None: not known."""
    requests: int = 0
    redacted: bool = True
    statements: list[WorkloadStatement]
    """The dearest first (by total time, then calls)."""
    n_plus_one: list[NPlusOne] = field(default_factory=list)
    """Statements that a request repeats for each of many rows, where requests were seen."""
    left_out: list[str] = field(default_factory=list)
    """What could not be taken, and why, one line each."""
