"""SQLite's plans: EXPLAIN QUERY PLAN's lines as a tree. They have no costs, no estimates and no actual figures."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...records import PlanNode

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_sqlite_plan"]

_ACCESS = re.compile(r"(SCAN|SEARCH) (?:TABLE )?(\S+)(?: AS (\S+))?")
_INDEX = re.compile(r"USING (?:AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?INDEX (\S+)")


def read_sqlite_plan(rows: Sequence[tuple[Any, ...]]) -> PlanNode:
    """The tree of the rows (id, parent, unused, detail) of EXPLAIN QUERY PLAN, below a root of our own."""
    children: dict[int, list[tuple[int, str]]] = {}
    for number, parent, _, detail in rows:
        children.setdefault(parent, []).append((number, str(detail)))
    return PlanNode(kind="QUERY PLAN", children=_nodes(0, children))


def _nodes(parent: int, children: dict[int, list[tuple[int, str]]]) -> list[PlanNode]:
    found = []
    for number, detail in children.get(parent, ()):
        access, index = _ACCESS.match(detail), _INDEX.search(detail)
        found.append(
            PlanNode(
                kind=detail,
                relation=access[2] if access else None,
                alias=access[3] if access else None,
                index=index[1] if index and "AUTOMATIC" not in detail else None,
                children=_nodes(number, children) if number else [],
            )
        )
    return found
