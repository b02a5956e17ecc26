"""The record of a statement's plan: what `perfloop db explain` writes and `perfloop compare` reads."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .kinds import Record

__all__ = ["PlanBuffers", "PlanNode", "PlanProblem", "PlanRecord"]


class PlanBuffers(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Pages of 8 kB that a node read and wrote, with everything below it."""

    hit: int = 0
    read: int = 0
    """From outside PostgreSQL's own cache: the operating system's, or the disk."""
    dirtied: int = 0
    written: int = 0
    temp_read: int = 0
    temp_written: int = 0

    @property
    def touched(self) -> int:
        """All pages looked at."""
        return self.hit + self.read


class PlanNode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of a plan. What was not executed has no actual figures, and SQLite's plans have no figures at all."""

    kind: str
    """`Seq Scan`, `Hash Join`; of SQLite: the line of EXPLAIN QUERY PLAN."""
    relation: str | None = None
    alias: str | None = None
    index: str | None = None
    name: str | None = None
    """`SubPlan 1`, `InitPlan 1`, `CTE recent`, where it is one."""
    conditions: list[str] = field(default_factory=list)
    """`filter (country = ?)`, `sort by o.created DESC`: values are redacted by default."""
    cost: float | None = None
    """Estimated, with everything below it, in the planner's unit (a page read in sequence)."""
    self_cost: float | None = None
    """Estimated, of this node alone, over as many executions as the nodes above ask for."""
    rows_estimated: float | None = None
    """A loop."""
    rows: float | None = None
    """Actual, a loop."""
    loops: float | None = None
    """How often it was executed; 0: never. In parallel, over all processes."""
    time_ms: float | None = None
    """Actual, over all loops, with everything below it; in parallel, of one process on average."""
    self_ms: float | None = None
    """Without what is below it."""
    removed: float = 0.0
    """Rows read and thrown away by a filter, over all loops."""
    heap_fetches: float = 0.0
    """Rows of an index-only scan that were looked up in the table all the same, over all loops."""
    lossy_pages: int = 0
    """Pages of which a bitmap held no single rows, because work_mem was full."""
    buffers: PlanBuffers | None = None
    spill_bytes: int = 0
    """Written to temporary files by this sort or hash, because work_mem was full."""
    workers: int = 0
    """Processes that helped."""
    children: list[PlanNode] = field(default_factory=list)

    def walk(self) -> list[PlanNode]:
        """This node and all below it, in the order they are shown in."""
        return [self, *(node for child in self.children for node in child.walk())]


class PlanProblem(Struct, frozen=True, kw_only=True):
    """One thing that makes a node dear, with its figures and what helps."""

    kind: Literal[
        "misestimate",
        "spill",
        "rows removed",
        "repeated",
        "heap fetches",
        "lossy bitmap",
        "disk reads",
        "full scan",
        "sort",
        "automatic index",
        "trigger",
        "compilation",
        "planning",
    ]
    node: int | None
    """Its place in `PlanRecord.nodes`; None: the whole statement."""
    words: str
    """What is so, with figures, as one clause."""
    advice: str
    """What helps, as one clause."""


class PlanRecord(Record, frozen=True, kw_only=True, tag="plan"):
    """One statement's plan, and what is dear in it."""

    dialect: Literal["postgresql", "sqlite"]
    database: str
    """Where it was planned, without user and password."""
    version: str
    sql: str
    """The statement; its values are `?` unless they were asked for."""
    analyzed: bool
    """It was executed, so that there are actual figures."""
    generic: bool = False
    """Planned without knowing its parameters' values."""
    settings: dict[str, str] = field(default_factory=dict)
    """The planner's settings that differ from PostgreSQL's own."""
    planning_ms: float | None = None
    execution_ms: float | None = None
    rows_returned: int | None = None
    """Where the plan does not tell: of SQLite, when it was executed."""
    root: PlanNode
    worst: int | None = None
    """Place of the node that takes most by itself; None where there are no figures to tell."""
    problems: list[PlanProblem] = field(default_factory=list)
    """Those of the worst node first."""
    notes: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> list[PlanNode]:
        """All nodes, in the order they are shown in."""
        return self.root.walk()
