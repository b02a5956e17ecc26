from __future__ import annotations

from typing import Any

import pytest

from perfloop.database.plans import read_postgresql_plan
from perfloop.exceptions import DatabaseFailed


def node(kind: str, time: float | None = None, loops: float = 1, *plans: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A node as EXPLAIN gives it; keys are written with underscores."""
    raw: dict[str, Any] = {"Node Type": kind, "Plan Rows": 10, "Total Cost": 100.0}
    if time is not None:
        raw |= {"Actual Total Time": time, "Actual Rows": 5, "Actual Loops": loops}
    return (
        raw | {key.replace("_", " "): value for key, value in more.items()} | ({"Plans": list(plans)} if plans else {})
    )


def own(plan: dict[str, Any]) -> list[float | None]:
    return [each.self_ms for each in read_postgresql_plan({"Plan": plan}).walk()]


def test_a_node_takes_what_its_children_do_not() -> None:
    assert own(node("Sort", 10.0, 1, node("Hash Join", 7.0, 1, node("Seq Scan", 4.0), node("Hash", 1.0)))) == [
        3,
        2,
        4,
        1,
    ]


def test_times_are_over_all_loops() -> None:
    plan = node("Nested Loop", 10.0, 1, node("Seq Scan", 1.0), node("Index Scan", 0.002, 4000))
    assert own(plan) == pytest.approx([1.0, 1.0, 8.0])


def test_in_parallel_parts_it_is_the_time_of_one_process() -> None:
    # Two workers and the leader: three loops, side by side.
    plan = node("Gather", 10.0, 1, node("Hash Join", 9.0, 3, node("Seq Scan", 5.0, 3), node("Index Scan", 0.001, 3000)))
    assert own(plan) == pytest.approx([1.0, 3.0, 5.0, 1.0])


def test_the_time_of_a_cte_is_where_it_is_asked_for() -> None:
    cte = node("Seq Scan", 6.0, Parent_Relationship="InitPlan", Subplan_Name="CTE recent")
    plan = node("Hash Join", 10.0, 1, cte, node("CTE Scan", 7.0, CTE_Name="recent"), node("Hash", 1.0))
    assert own(plan) == [2, 6, 1, 1]


def test_the_time_of_an_initplan_is_where_its_value_is_asked_for() -> None:
    value = node("Aggregate", 6.0, Parent_Relationship="InitPlan", Subplan_Name="InitPlan 1 (returns $0)")
    plan = node(
        "Sort", 10.0, 1, value, node("Seq Scan", 8.0, Filter="(a > $0)"), node("Seq Scan", 1.0, Filter="($01 = 1)")
    )
    assert own(plan) == [1, 6, 2, 1]


def test_what_was_never_executed_takes_nothing() -> None:
    [root, child] = read_postgresql_plan(node("Limit", 1.0, 1, node("Seq Scan", 0.0, 0))).walk()
    assert (root.self_ms, child.self_ms, child.loops) == (1, 0, 0)


def test_costs_are_of_all_executions() -> None:
    inner = node("Index Scan", Total_Cost=2.0, Parent_Relationship="Inner")
    outer = node("Seq Scan", Total_Cost=30.0, Parent_Relationship="Outer", Plan_Rows=20)
    join = node("Nested Loop", None, 1, outer, inner, Total_Cost=75.0)
    limited = read_postgresql_plan(node("Limit", None, 1, join, Total_Cost=15.0))
    assert [each.self_cost for each in limited.walk()] == pytest.approx([0, 1, 6, 8])


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"Node Type": "Aggregate", "Strategy": "Hashed", "Partial Mode": "Partial"}, "Partial Hash Aggregate"),
        ({"Node Type": "Hash Join", "Join Type": "Left"}, "Hash Left Join"),
        ({"Node Type": "Nested Loop", "Join Type": "Semi"}, "Nested Loop Join (Semi)"),
        ({"Node Type": "Index Scan", "Scan Direction": "Backward"}, "Index Scan Backward"),
        ({"Node Type": "Seq Scan", "Parallel Aware": True}, "Parallel Seq Scan"),
        ({"Node Type": "ModifyTable", "Operation": "Update"}, "Update"),
    ],
)
def test_a_node_is_called_as_explain_calls_it(raw: dict[str, Any], kind: str) -> None:
    assert read_postgresql_plan(raw).kind == kind


def test_conditions_hide_their_values_unless_asked() -> None:
    raw = {
        "Node Type": "Seq Scan",
        "Filter": "(email = 'ann@example.com'::text)",
        "Relation Name": "t",
        "Schema": "crm",
    }
    assert read_postgresql_plan(raw).conditions == ["filter (email = ?::text)"]
    assert read_postgresql_plan(raw, values=True).conditions == ["filter (email = 'ann@example.com'::text)"]
    assert read_postgresql_plan(raw).relation == "crm.t"


@pytest.mark.parametrize(
    ("raw", "spilled"),
    [
        ({"Node Type": "Sort", "Sort Space Type": "Disk", "Sort Space Used": 100}, 102_400),
        ({"Node Type": "Sort", "Sort Space Type": "Memory", "Sort Space Used": 100}, 0),
        (
            {
                "Node Type": "Sort",
                "Sort Space Type": "Disk",
                "Sort Space Used": 1,
                "Workers": [{"Sort Space Type": "Disk", "Sort Space Used": 2}],
            },
            3_072,
        ),
        ({"Node Type": "Hash", "Hash Batches": 4, "Temp Written Blocks": 2}, 16_384),
        ({"Node Type": "Aggregate", "Strategy": "Hashed", "Disk Usage": 5}, 5_120),
    ],
)
def test_what_went_through_temporary_files_is_counted(raw: dict[str, Any], spilled: int) -> None:
    assert read_postgresql_plan(raw).spill_bytes == spilled


@pytest.mark.parametrize("plan", [{}, {"Plan": []}, {"Plan": {"Cost": 1}}])
def test_what_is_no_plan_is_refused(plan: dict[str, Any]) -> None:
    with pytest.raises(DatabaseFailed, match="Expected a plan"):
        read_postgresql_plan(plan)
