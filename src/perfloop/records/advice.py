"""The record of advice on a database: what `perfloop db advise` writes."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .index_advice import IndexAdvice  # noqa: TC001  # a Struct's types are read at run time
from .kinds import Record
from .nplusone import NPlusOne  # noqa: TC001
from .query_advice import QueryAdvice  # noqa: TC001

__all__ = ["AdviceRecord", "AdviceWorkload"]


class AdviceWorkload(Struct, frozen=True, kw_only=True):
    """The workload that the advice is for."""

    source: Literal["service", "pg_stat_statements", "log", "sql"]
    statements: int
    calls: int
    total_ms: float
    """In the database over all calls; 0 where the source does not tell."""


class AdviceRecord(Record, frozen=True, kw_only=True, tag="advice"):
    """Everything that was found for one database and one workload."""

    dialect: Literal["postgresql", "sqlite"]
    database: str
    """Without user and password."""
    version: str
    workload: AdviceWorkload
    clone: str
    """Where things were tried, in words."""
    sampled: bool = False
    """The clone had a sample of the rows, so sizes and pages are smaller than in the database."""
    indexes: IndexAdvice | None = None
    """None: indexes were not looked at."""
    queries: list[QueryAdvice] = field(default_factory=list)
    n_plus_one: list[NPlusOne] = field(default_factory=list)
    """Statements that a request repeats for each of many rows, where the workload's requests were seen."""
    left_out: list[str] = field(default_factory=list)
    """What could not be looked at or cloned, and why, a line each."""
    notes: list[str] = field(default_factory=list)
