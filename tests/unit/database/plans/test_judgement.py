from __future__ import annotations

from typing import Any

import pytest

from perfloop.database.plans import find_problems, worst_node
from perfloop.records import PlanBuffers, PlanNode


def node(kind: str = "Seq Scan", *children: PlanNode, **more: Any) -> PlanNode:
    figures = {"cost": 100.0, "self_cost": 10.0, "rows_estimated": 10.0, "rows": 10.0, "loops": 1.0, "time_ms": 10.0}
    figures |= {"self_ms": 10.0}
    return PlanNode(kind=kind, **{**figures, "relation": "item", **more}, children=list(children))


def kinds(root: PlanNode) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.node) for problem in find_problems(root)]


def test_an_ordinary_plan_has_no_problems() -> None:
    assert kinds(node()) == []


def test_the_worst_node_takes_most_by_itself() -> None:
    assert worst_node([node(self_ms=1.0), node(self_ms=5.0), node(self_ms=2.0)]) == 1
    planned = [node(self_ms=None, self_cost=cost) for cost in (3.0, 1.0)]
    assert worst_node(planned) == 0
    assert worst_node([PlanNode(kind="SCAN t")]) is None


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"removed": 9_990.0, "conditions": ["filter (a = ?)"]}, "rows removed"),
        ({"spill_bytes": 2**20}, "spill"),
        ({"rows": 5_000.0}, "misestimate"),
        ({"rows": 10.0, "rows_estimated": 5_000.0}, "misestimate"),
        ({"heap_fetches": 5_000.0, "rows": 5_000.0, "rows_estimated": 5_000.0}, "heap fetches"),
        ({"lossy_pages": 5}, "lossy bitmap"),
        ({"buffers": PlanBuffers(hit=10, read=5_000)}, "disk reads"),
        (
            {"rows": None, "time_ms": None, "self_ms": None, "self_cost": 100.0, "conditions": ["filter (a)"]},
            "rows removed",
        ),
    ],
)
def test_each_problem_is_found_and_says_what_helps(more: dict[str, Any], kind: str) -> None:
    [problem] = find_problems(node(**more))
    assert (problem.kind, problem.node) == (kind, 0)
    assert len(problem.words) > 20
    assert len(problem.advice) > 20


@pytest.mark.parametrize(
    "more",
    [
        {"removed": 900.0},  # few
        {"removed": 9_000.0, "rows": 9_000.0, "rows_estimated": 9_000.0},  # half of them
        {"rows": 60.0},  # six times
        {"rows": 1.0, "rows_estimated": 50.0},  # few
        {"buffers": PlanBuffers(hit=5_000, read=2_000)},
        {
            "rows": None,
            "time_ms": None,
            "self_ms": None,
            "self_cost": 100.0,
            "rows_estimated": 500.0,
            "conditions": ["filter (a)"],
        },
    ],
)
def test_what_is_ordinary_is_no_problem(more: dict[str, Any]) -> None:
    assert kinds(node(**more)) == []


def test_a_wrong_estimate_is_told_where_it_begins() -> None:
    wrong = {"rows": 50_000.0, "rows_estimated": 10.0}
    join = node("Hash Join", node(**wrong), node(), **wrong)
    assert kinds(node("Sort", join, **wrong)) == [("misestimate", 2)]


def test_what_a_limit_stops_is_no_wrong_estimate() -> None:
    few = {"rows": 20.0, "rows_estimated": 5_000.0}
    assert kinds(node("Limit", node("Nested Loop", node(**few), node(), **few))) == []
    # A sort reads all its input, whatever is asked of it.
    assert kinds(node("Limit", node("Sort", node(**few), **few))) == [("misestimate", 2)]


def test_what_a_nested_loop_repeats_is_told() -> None:
    inner = node("Index Scan", loops=20_000.0, time_ms=90.0, self_ms=90.0)
    outer = node(rows=20_000.0, rows_estimated=18_000.0)
    join = node("Nested Loop", outer, inner, time_ms=100.0, self_ms=0.0)
    [problem] = find_problems(join)
    assert (problem.kind, problem.node) == ("repeated", 2)
    assert "20,000 times" in problem.words
    assert "18,000 estimated" in problem.words
    subplan = node("Aggregate", name="SubPlan 1", loops=20_000.0, time_ms=90.0, self_ms=90.0)
    assert kinds(node("Seq Scan", subplan, time_ms=100.0)) == [("repeated", 1)]


def test_the_worst_nodes_problems_come_first() -> None:
    small = node(spill_bytes=2**20, self_ms=1.0)
    large = node(spill_bytes=2**20, self_ms=9.0)
    assert kinds(node("Hash Join", small, large, self_ms=0.5, time_ms=10.5)) == [("spill", 2), ("spill", 1)]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("SCAN item", "full scan"),
        ("SCAN item USING COVERING INDEX i", None),
        ("SEARCH item USING INDEX i (a=?)", None),
        ("SCAN CONSTANT ROW", None),
        ("USE TEMP B-TREE FOR ORDER BY", "sort"),
        ("SEARCH item USING AUTOMATIC COVERING INDEX (a=?)", "automatic index"),
        ("CORRELATED SCALAR SUBQUERY 1", "repeated"),
    ],
)
def test_sqlites_plans_are_judged_by_what_they_do(line: str, kind: str | None) -> None:
    from perfloop.database.plans import read_sqlite_plan

    found = find_problems(read_sqlite_plan([(2, 0, 0, line)]))
    assert [problem.kind for problem in found] == ([kind] if kind else [])
