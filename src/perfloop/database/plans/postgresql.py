"""PostgreSQL's plans: EXPLAIN's JSON as a tree of nodes, each with the time it takes by itself.

EXPLAIN gives times and rows an average loop, and with everything below. What a node takes by itself is its own time
over all loops less that of its children; in parallel parts, where loops count every process, that of one process. The
time of a CTE or an InitPlan lies in the node that asks for its rows, wherever it is listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from ...exceptions import DatabaseFailed
from ...records import PlanBuffers, PlanNode
from .values import without_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["read_postgresql_plan"]

# The keys that say what a node does, and how they are read out.
_CONDITIONS = {
    "Index Cond": "index condition",
    "Recheck Cond": "recheck",
    "TID Cond": "row address",
    "Hash Cond": "on",
    "Merge Cond": "on",
    "Join Filter": "join filter",
    "Filter": "filter",
    "One-Time Filter": "only if",
    "Sort Key": "sort by",
    "Presorted Key": "sorted already by",
    "Group Key": "group by",
    "Cache Key": "cached by",
    "Order By": "order by",
    "Conflict Resolution": "on conflict",
    "Function Call": "call",
}
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")
_PAGE = 8_192
_Raw = dict[str, Any]


def read_postgresql_plan(plan: Mapping[str, Any], *, values: bool = False) -> PlanNode:
    """The tree of one EXPLAIN (FORMAT JSON).

    Args:
        plan: what it gave: the object with the key `Plan`, or that object itself.
        values: keep the literals of conditions, which may be anybody's data.

    Raises:
        DatabaseFailed: it is no plan.
    """
    raw = plan.get("Plan", plan)
    if not isinstance(raw, dict) or "Node Type" not in raw:
        raise DatabaseFailed("Expected a plan of EXPLAIN (FORMAT JSON)", got=str(plan)[:80])
    return _node(raw, 1.0, 1.0, _Elsewhere(raw), (lambda text: text) if values else without_values)


class _Elsewhere:
    """Which nodes hold the time (ms, by the node's identity) of CTEs and InitPlans that are listed elsewhere."""

    def __init__(self, root: _Raw) -> None:
        self.held: dict[int, float] = {}
        self.listed: set[int] = set()
        nodes = list(_walk(root))
        for plan in nodes:
            name = str(plan.get("Subplan Name", ""))
            if plan.get("Parent Relationship") != "InitPlan" or not plan.get("Actual Loops"):
                continue
            users = [node for node in nodes if _uses(node, name) and node.get("Actual Loops")]
            if users:
                # The first to ask has it computed; who that was is not told: the one that waited longest.
                user = max(users, key=lambda node: node["Actual Total Time"] * node["Actual Loops"])
                spent = plan["Actual Total Time"] * plan["Actual Loops"] if "Actual Total Time" in plan else 0.0
                self.held[id(user)] = self.held.get(id(user), 0.0) + spent
                self.listed.add(id(plan))


def _walk(node: _Raw) -> Iterator[_Raw]:
    yield node
    for child in node.get("Plans", ()):
        yield from _walk(child)


def _uses(node: _Raw, name: str) -> bool:
    """Whether a node reads the rows of a CTE (`CTE recent`) or the value of an InitPlan (`InitPlan 1 (returns $0)`)."""
    if name.startswith("CTE "):
        return node.get("Node Type") == "CTE Scan" and node.get("CTE Name") == name[4:]
    parameters = re.findall(r"\$\d+", name) or [f"({name}).col", f"{name})"]
    texts = [str(node[key]) for key in _CONDITIONS if key in node]
    return any(re.search(re.escape(parameter) + r"(?!\d)", text) for parameter in parameters for text in texts)


def _node(
    raw: _Raw, processes: float, executions: float, elsewhere: _Elsewhere, shown: Callable[[str], str]
) -> PlanNode:
    plans = raw.get("Plans", [])
    loops = raw.get("Actual Loops")
    below = processes
    if raw["Node Type"].startswith("Gather") and loops and plans:
        # Each loop of the first child is a process': the leader takes part, or not.
        below = max(plans[0].get("Actual Loops", 0) / loops, 1.0) * processes
    children = [_node(each, below, executions * _asked(raw, each), elsewhere, shown) for each in plans]
    time = None
    own = None
    if "Actual Total Time" in raw and loops is not None:
        time = raw["Actual Total Time"] * loops / processes
        spent = sum(
            child.time_ms or 0.0
            for child, plan in zip(children, plans, strict=True)
            if id(plan) not in elsewhere.listed
        )
        own = max(0.0, time - spent - elsewhere.held.get(id(raw), 0.0))
    cost = raw.get("Total Cost")
    return PlanNode(
        kind=_kind(raw),
        relation=_relation(raw),
        alias=raw.get("Alias"),
        index=raw.get("Index Name"),
        name=raw.get("Subplan Name"),
        conditions=[f"{words} {shown(_text(raw[key]))}" for key, words in _CONDITIONS.items() if raw.get(key)],
        cost=cost,
        self_cost=None if cost is None else executions * max(0.0, cost - sum(_cost(raw, each) for each in plans)),
        rows_estimated=raw.get("Plan Rows"),
        rows=raw.get("Actual Rows"),
        loops=loops,
        time_ms=time,
        self_ms=own,
        removed=sum(raw.get(key, 0) for key in _REMOVED) * (loops or 0),
        heap_fetches=raw.get("Heap Fetches", 0) * (loops or 0),
        lossy_pages=raw.get("Lossy Heap Blocks", 0),
        buffers=_buffers(raw),
        spill_bytes=_spill(raw),
        workers=raw.get("Workers Launched") or raw.get("Workers Planned") or 0,
        children=[replace(child, name=plan.get("Subplan Name")) for child, plan in zip(children, plans, strict=True)],
    )


def _kind(raw: _Raw) -> str:
    kind = str(raw["Node Type"])
    if kind == "Aggregate":
        kind = {"Hashed": "Hash Aggregate", "Sorted": "Group Aggregate", "Mixed": "Mixed Aggregate"}.get(
            raw.get("Strategy", ""), kind
        )
        kind = f"{raw['Partial Mode']} {kind}" if raw.get("Partial Mode", "Simple") != "Simple" else kind
    if kind == "ModifyTable":
        kind = str(raw.get("Operation", kind))
    join = raw.get("Join Type", "Inner")
    if join != "Inner":
        kind = f"{kind} Join ({join})" if kind == "Nested Loop" else kind.replace(" Join", f" {join} Join")
    if raw.get("Scan Direction") == "Backward":
        kind += " Backward"
    return f"Parallel {kind}" if raw.get("Parallel Aware") else kind


def _relation(raw: _Raw) -> str | None:
    name = raw.get("Relation Name") or raw.get("CTE Name") or raw.get("Function Name")
    if name is None:
        return None
    schema = raw.get("Schema")
    return f"{schema}.{name}" if schema not in (None, "public", "pg_catalog") else str(name)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _cost(raw: _Raw, child: _Raw) -> float:
    """What a child adds to its parent's cost."""
    return float(child.get("Total Cost", 0.0)) * _asked(raw, child)


def _asked(raw: _Raw, child: _Raw) -> float:
    """How often a child is estimated to be executed for one execution of its parent; a share, where that stops it."""
    if child.get("Parent Relationship") == "SubPlan":
        return max(1.0, float(raw.get("Plan Rows", 1.0)))
    if raw["Node Type"] == "Nested Loop" and child.get("Parent Relationship") == "Inner":
        if child["Node Type"] in ("Materialize", "Memoize"):  # executed again, these mostly repeat what they know
            return 1.0
        outer = next((each for each in raw["Plans"] if each.get("Parent Relationship") == "Outer"), None)
        return max(1.0, float(outer["Plan Rows"]) if outer else 1.0)
    if raw["Node Type"] == "Limit" and child.get("Total Cost"):
        return min(1.0, float(raw["Total Cost"]) / float(child["Total Cost"]))
    return 1.0


def _buffers(raw: _Raw) -> PlanBuffers | None:
    if "Shared Hit Blocks" not in raw:
        return None
    return PlanBuffers(
        hit=raw["Shared Hit Blocks"] + raw.get("Local Hit Blocks", 0),
        read=raw.get("Shared Read Blocks", 0) + raw.get("Local Read Blocks", 0),
        dirtied=raw.get("Shared Dirtied Blocks", 0) + raw.get("Local Dirtied Blocks", 0),
        written=raw.get("Shared Written Blocks", 0) + raw.get("Local Written Blocks", 0),
        temp_read=raw.get("Temp Read Blocks", 0),
        temp_written=raw.get("Temp Written Blocks", 0),
    )


def _spill(raw: _Raw) -> int:
    """Bytes this node itself wrote to temporary files: a sort that does not fit, a hash in several batches."""
    groups = [raw.get("Full-sort Groups", {}), raw.get("Pre-sorted Groups", {})]
    disk = [each["Sort Space Used"] for each in (raw, *raw.get("Workers", ())) if each.get("Sort Space Type") == "Disk"]
    disk += [group["Sort Space Disk"]["Peak Sort Space Used"] for group in groups if "Sort Space Disk" in group]
    disk += [each.get("Disk Usage", 0) for each in (raw, *raw.get("Workers", ()))]
    if raw.get("Hash Batches", 1) > 1:
        return int(raw.get("Temp Written Blocks", 0)) * _PAGE or 1024 * int(raw.get("Peak Memory Usage", 0))
    return 1024 * int(sum(disk))
