"""Advice on indexes: which to build, which to drop, where none is wanted, each with what was measured for it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

__all__ = ["AdvisedIndex", "DroppableIndex", "IndexAdvice", "SequentialScan", "StatementGain", "WriteBill"]


class StatementGain(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one statement gains from one index: with all advised indexes, against the same without this one."""

    fingerprint: str
    cost_before: float
    """In the planner's unit (SQLite: steps of its virtual machine), mean over the values tried."""
    cost_after: float
    buffers_before: float | None = None
    """Pages of 8 kB looked at by one execution; None: not measured, or it did not end in time."""
    buffers_after: float | None = None
    ms_before: float | None = None
    ms_after: float | None = None


class WriteBill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an index costs those who write, measured on copies of the table with and without it."""

    beside: list[str] = field(default_factory=list)
    """The advised indexes that were on the table already: the bill is what this one adds to theirs. On PostgreSQL those
    advised before it, so that a table's bills add up; on SQLite all others."""
    insert_us: float | None = None
    """Added microseconds for one row; None: not measured."""
    insert_us_interval: tuple[float, float] | None = None
    """Where it lies, with 95 % confidence."""
    insert_wal_bytes: float | None = None
    update_us: float | None = None
    """Added to one of the workload's updates of the table; None: it has none."""
    update_us_interval: tuple[float, float] | None = None
    update_wal_bytes: float | None = None
    lost_hot_share: float = 0.0
    """Of the workload's updates of the table, those that can no longer stay in their page, since they set a column
    that the index holds."""
    lost_hot_columns: list[str] = field(default_factory=list)
    rows: int = 0
    """Rows that each figure is measured over."""
    source: Literal["captured", "held back", "generated", "not measured"] = "not measured"
    """Which rows were inserted: those of the workload's own statements, the table's newest, which its copies were made
    without, or made-up ones."""
    update_source: Literal["captured", "generated", "not measured"] = "not measured"
    """What rows were updated to: values of the workload's own statements, or those of other rows."""
    why_not: str | None = None


class AdvisedIndex(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One index to build."""

    name: str
    schema: str | None
    table: str
    keys: list[str]
    """As `CREATE INDEX` takes them: a column or an expression in brackets, operator class, direction."""
    include: list[str] = field(default_factory=list)
    where: str | None = None
    method: str = "btree"
    create_sql: str
    """Builds it, on PostgreSQL without keeping writers out where that can be."""
    drop_sql: str
    reason: str
    """Why this table, these keys, this order."""
    cost_before: float
    """The workload's without it and with all other advised indexes; weighted by calls."""
    cost_after: float
    buffers_before: float | None = None
    """Pages of 8 kB that the whole workload touches, writes included, as measured; None: without it a statement did not
    end in time, which is the greater reason."""
    buffers_after: float | None = None
    size_bytes: int
    build_seconds: float
    """On the clone."""
    write_bill: WriteBill = field(default_factory=WriteBill)
    statements: list[StatementGain]
    """Those that it changes, the greatest gain first."""
    requires: list[str] = field(default_factory=list)
    """Extensions that have to be there: `pg_trgm`."""


class DroppableIndex(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One index that there is no reason to keep."""

    name: str
    schema: str | None
    table: str
    kind: Literal["unused", "duplicate", "redundant", "invalid"]
    reason: str
    size_bytes: int
    covered_by: str | None = None
    """The index that does its work, for duplicates and redundant ones; it may be an advised one."""
    create_sql: str
    """Brings it back."""
    drop_sql: str
    workload_cost_change: float | None = None
    """Share by which the workload's cost changes without it, on the clone; None: not tried."""


class SequentialScan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A statement that is right to read a whole table."""

    fingerprint: str
    table: str
    reason: str
    rows: float
    """The table's."""
    share: float | None = None
    """Of its rows that the statement wants, by the planner's estimate."""


class IndexAdvice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found for one database and one workload. `advised` may be empty: that is an answer."""

    dialect: Literal["postgresql", "sqlite"]
    advised: list[AdvisedIndex] = field(default_factory=list)
    """The greatest gain first."""
    droppable: list[DroppableIndex] = field(default_factory=list)
    sequential_scans: list[SequentialScan] = field(default_factory=list)
    cost_before: float = 0.0
    """The whole workload's, weighted by calls."""
    cost_after: float = 0.0
    buffers_before: float | None = None
    """None: a statement did not end in time."""
    buffers_after: float | None = None
    statements: int = 0
    """Statements that were looked at."""
    candidates: int = 0
    checked_with: Literal["HypoPG", "built indexes", "executions"] = "built indexes"
    values: str = ""
    """How values were chosen for parameters that the workload did not keep."""
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Statements and candidates that could not be judged, and why, one line each; no values."""
