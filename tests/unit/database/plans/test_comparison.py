from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from perfloop.database.plans import compare_plans
from perfloop.records import PlanBuffers, PlanNode, PlanRecord, current_environment


def plan(root: PlanNode | None = None, **more: Any) -> PlanRecord:
    scan = PlanNode(kind="Seq Scan", relation="item", cost=100.0, rows_estimated=10.0, buffers=PlanBuffers(hit=1000))
    known: dict[str, Any] = {"dialect": "postgresql", "database": "d", "version": "15.1", "sql": "SELECT a FROM item"}
    known |= {"analyzed": True, "execution_ms": 5.0}
    return PlanRecord(environment=current_environment(), **{**known, **more}, root=root or scan)


FAST = PlanNode(
    kind="Index Scan", relation="item", index="by_a", cost=8.0, rows_estimated=10.0, buffers=PlanBuffers(hit=4)
)


def test_pages_decide_and_the_change_is_told() -> None:
    found = compare_plans(plan(), plan(FAST))
    assert found.verdict == "faster"
    assert [(each.metric, each.verdict) for each in found.metrics] == [
        ("pages_touched", "faster"),
        ("estimated_cost", "faster"),
        ("execution_time", "not enough data"),
    ]
    assert found.reasons == ["item: Seq Scan → Index Scan by by_a"]
    assert compare_plans(plan(FAST), plan()).verdict == "slower"


def test_the_same_plan_is_no_difference() -> None:
    found = compare_plans(plan(), plan(execution_ms=50.0))
    assert (found.verdict, found.reasons) == ("no difference", ["both have the same plan"])


def test_costs_decide_where_not_both_were_executed() -> None:
    planned = plan(replace(FAST, buffers=None), analyzed=False, execution_ms=None)
    found = compare_plans(plan(), planned)
    assert found.verdict == "faster"
    assert [each.metric for each in found.metrics] == ["estimated_cost"]
    assert any("only A was executed" in reason for reason in found.reasons)
    assert any("judged by estimated costs" in reason for reason in found.reasons)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sql": "SELECT b FROM item"}, "different statements"),
        ({"version": "16.0"}, "version 15.1, B by 16.0"),
        ({"settings": {"work_mem": "1MB"}}, "work_mem was the default, is 1MB"),
        ({"generic": True}, "only B was planned without"),
        ({"root": PlanNode(kind="Seq Scan", relation="item", rows_estimated=5_000.0)}, "10 rows estimated → 5,000"),
        ({"root": PlanNode(kind="Seq Scan", relation="other")}, "item is no longer read"),
        ({"root": PlanNode(kind="Sort", spill_bytes=5)}, "B goes through temporary files"),
        ({"root": PlanNode(kind="Hash Join")}, "steps: none → Hash Join"),
    ],
)
def test_what_else_changed_is_told(more: dict[str, Any], reason: str) -> None:
    assert any(reason in each for each in compare_plans(plan(), plan(**more)).reasons)


def test_sqlites_plans_are_compared_by_their_shape() -> None:
    more: dict[str, Any] = {"dialect": "sqlite", "analyzed": False, "execution_ms": None}
    a = plan(PlanNode(kind="QUERY PLAN", children=[PlanNode(kind="SCAN t", relation="t")]), **more)
    b = plan(
        PlanNode(kind="QUERY PLAN", children=[PlanNode(kind="SEARCH t USING INDEX i", relation="t", index="i")]), **more
    )
    found = compare_plans(a, b)
    assert (found.verdict, found.reasons) == ("not enough data", ["t: SCAN t → SEARCH t USING INDEX i"])
    assert compare_plans(a, a).verdict == "no difference"
