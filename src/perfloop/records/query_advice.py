"""What query advice and the proof of a rewrite look like in a record. Plain data."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .kinds import Interval  # noqa: TC001  # a Struct's types are read at run time

__all__ = ["Alternative", "Counterexample", "Proof", "QueryAdvice", "RewriteVerdict"]

RewriteVerdict = Literal["faster", "no difference", "slower", "not enough data", "rejected", "not provable"]


class Counterexample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rows for which two statements answer differently, as few as could be found. Values are shown as SQL literals."""

    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """Generated rows by table and column; empty where the clone's own rows told the statements apart."""
    parameters: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    """The two as they were tried, where large numbers of LIMIT and OFFSET were made small; else empty."""
    only_original: list[list[str]] = field(default_factory=list)
    """Rows that only the original returns."""
    only_rewrite: list[list[str]] = field(default_factory=list)
    what: str = ""
    """How they differ, in words."""


class Proof(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done to tell a rewrite from its original, and what came of it."""

    verdict: RewriteVerdict
    reason: str
    """The verdict in words."""
    datasets: int = 0
    """Generated sets of rows that both statements answered."""
    generated_rows: int = 0
    answered_rows: int = 0
    """Rows the original returned over all generated sets: a proof on empty answers would be none."""
    mutants_caught: tuple[int, int] | None = None
    """Statements made wrong on purpose that the same rows told from the original, of how many."""
    order: Literal["compared", "not compared", "none asked for"] = "none asked for"
    snapshot_rows: int | None = None
    """Rows both returned on the clone's own data; None: not compared there, or not to the end."""
    counterexample: Counterexample | None = None
    before_ms: float | None = None
    """Median time of the original on the clone; None: not measured, or ended before it was over."""
    after_ms: float | None = None
    ended_ms: float | None = None
    """How long a statement without a time ran before it was ended: it takes longer."""
    ratio: Interval | None = None
    """Time of the rewrite ÷ time of the original: low, estimate, high (95 %)."""
    before_buffers: int | None = None
    """Pages of 8 KiB the original touches, its median; None where the database does not count."""
    after_buffers: int | None = None
    assumptions: list[str] = field(default_factory=list)
    """What the verdict takes for granted."""


class Alternative(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something other than a rewrite of the statement that answers the same need."""

    what: str
    sql: str | None = None
    exact: bool = True
    """It leaves the answer as it is; False: under the condition that `what` names."""


class QueryAdvice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing about one statement."""

    rule: str
    fingerprint: str
    what: str
    """One sentence."""
    where: str
    """The part of the statement's text that is meant."""
    position: tuple[int, int] | None = None
    """Its line and column in the statement, from 1."""
    evidence: list[str] = field(default_factory=list)
    rewrite: str | None = None
    """Parameters are numbered: `$1` for PostgreSQL, `:p1` for SQLite."""
    needs: list[str] = field(default_factory=list)
    """DDL without which the rewrite gains nothing."""
    costs: list[str] = field(default_factory=list)
    """What the advice takes or risks."""
    alternatives: list[Alternative] = field(default_factory=list)
    proof: Proof | None = None
    """None: there is no rewrite to prove."""
    calls: int = 0
    total_ms: float = 0.0
