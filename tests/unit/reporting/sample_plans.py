"""Records of plans."""

from __future__ import annotations

from typing import Any

from perfloop.records import PlanBuffers, PlanNode, PlanProblem, PlanRecord

from .sample_runs import ENVIRONMENT


def _plan(**more: Any) -> PlanRecord:
    known: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "perfloop": "0.1.0",
        "created": "2026-11-24T10:00:00+00:00",
        "command": ["perfloop", "db", "explain", "postgresql://db.internal/shop", "SELECT …"],
        "dialect": "postgresql",
        "database": "postgresql://db.internal/shop",
        "version": "15.14",
        "sql": "SELECT o.note, c.email\n  FROM orders o JOIN customer c ON c.id = o.customer_id\n"
        " WHERE c.country = ? ORDER BY o.note",
    }
    return PlanRecord(**{**known, **more})


def plan() -> PlanRecord:
    """One that was executed: a sort that spills, a scan that throws away most of what it reads."""
    scan = PlanNode(
        kind="Parallel Seq Scan",
        relation="orders",
        alias="o",
        cost=4678.7,
        self_cost=4678.7,
        rows_estimated=83_333.0,
        rows=66_667.0,
        loops=3.0,
        time_ms=21.1,
        self_ms=21.1,
        buffers=PlanBuffers(hit=1_000, read=2_637),
    )
    customers = PlanNode(
        kind="Seq Scan",
        relation="sales.customer",
        alias="c",
        conditions=["filter (c.country = ?::text)"],
        cost=359.0,
        self_cost=359.0,
        rows_estimated=40.0,
        rows=400.0,
        loops=3.0,
        time_ms=28.4,
        self_ms=28.4,
        removed=58_800.0,
        buffers=PlanBuffers(hit=327),
    )
    hashed = PlanNode(
        kind="Hash", cost=359.0, self_cost=0.0, rows_estimated=40.0, rows=400.0, loops=3.0, time_ms=29.0, self_ms=0.6,
        children=[customers],
    )  # fmt: skip
    join = PlanNode(
        kind="Hash Join",
        conditions=["on (o.customer_id = c.id)"],
        cost=5261.5,
        self_cost=223.8,
        rows_estimated=167.0,
        rows=66_667.0,
        loops=3.0,
        time_ms=60.4,
        self_ms=10.3,
        buffers=PlanBuffers(hit=1_327, read=2_637),
        children=[scan, hashed],
    )
    sort = PlanNode(
        kind="Sort",
        conditions=["sort by o.note"],
        cost=5354.8,
        self_cost=93.3,
        rows_estimated=167.0,
        rows=66_667.0,
        loops=3.0,
        time_ms=220.2,
        self_ms=159.8,
        spill_bytes=25_500_000,
        buffers=PlanBuffers(hit=1_327, read=2_637, temp_read=6_228, temp_written=6_262),
        children=[join],
    )
    root = PlanNode(
        kind="Gather Merge",
        cost=6578.5,
        self_cost=1223.7,
        rows_estimated=400.0,
        rows=200_000.0,
        loops=1.0,
        time_ms=330.5,
        self_ms=110.3,
        workers=2,
        buffers=PlanBuffers(hit=1_390, read=2_637, temp_read=6_228, temp_written=6_262),
        children=[sort],
    )
    return _plan(
        analyzed=True,
        settings={"work_mem": "1MB"},
        planning_ms=0.41,
        execution_ms=341.2,
        root=root,
        worst=1,
        problems=[
            PlanProblem(
                kind="spill",
                node=1,
                words="25.5 MB did not fit in work_mem and went through temporary files",
                advice="SET LOCAL work_mem = '37MB' for this statement, or have an index give the rows in order",
            ),
            PlanProblem(
                kind="rows removed",
                node=5,
                words="58,800 of 60,000 rows read were thrown away by the filter (c.country = ?::text)",
                advice="an index on the columns of that filter on sales.customer may read only what is kept",
            ),
            PlanProblem(
                kind="compilation",
                node=None,
                words="120 ms of 341 ms went to compilation",
                advice="SET LOCAL jit = off for such statements, or raise jit_above_cost",
            ),
        ],
    )


def planned() -> PlanRecord:
    """One that was not executed, and has nothing out of the ordinary."""
    scan = PlanNode(
        kind="Index Scan",
        relation="orders",
        index="orders_customer_id_idx",
        conditions=["index condition (customer_id = $1)"],
        cost=42.9,
        self_cost=42.9,
        rows_estimated=10.0,
    )
    return _plan(
        sql="SELECT * FROM orders WHERE customer_id = $1",
        analyzed=False,
        generic=True,
        root=scan,
        worst=0,
        notes=["planned for unknown values of its placeholders; for given ones (--parameter) the plan may be another"],
    )


def sqlite_plan() -> PlanRecord:
    """One of SQLite: no figures."""
    scan = PlanNode(kind="SCAN o", relation="o")
    root = PlanNode(
        kind="QUERY PLAN",
        children=[
            PlanNode(kind="CO-ROUTINE recent", children=[scan]),
            PlanNode(kind="USE TEMP B-TREE FOR ORDER BY"),
        ],
    )
    return _plan(
        dialect="sqlite",
        database="shop.sqlite3",
        version="3.40.1",
        analyzed=True,
        execution_ms=12.5,
        rows_returned=1,
        root=root,
        problems=[
            PlanProblem(
                kind="full scan",
                node=2,
                words="every row of o is read",
                advice="an index on the columns it is searched by, unless most of its rows are wanted",
            )
        ],
        notes=["SQLite's plans hold no costs and no numbers of rows"],
    )


def deep_plan() -> PlanRecord:
    """One with far more steps than fit, each with long conditions."""
    node = PlanNode(kind="Result", cost=1.0, self_cost=1.0, rows_estimated=1.0)
    for number in range(70):
        node = PlanNode(
            kind="Nested Loop",
            conditions=[f"join filter (a{number}.id = b{number}.id AND " + "x = ? AND " * 30 + "y)"],
            cost=1e12,
            self_cost=1e9,
            rows_estimated=1e9,
            children=[node],
        )
    return _plan(sql="SELECT " + "a, " * 20_000 + "b", analyzed=False, root=node, worst=0)
