"""No LIMIT: the answer grows with the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .rule import Draft, Facts, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

_MANY = 1000.0
"""Rows a call."""


def _find(facts: Facts) -> Iterator[Draft]:
    tree = facts.statement.tree
    if not isinstance(tree, exp.Query) or tree.args.get("limit") or tree.args.get("fetch"):
        return
    if facts.rows_per_call < _MANY:
        return
    yield Draft(
        what=f"{facts.rows_per_call:,.0f} rows a call and no LIMIT: the answer grows with the table",
        node=None,
        evidence=[f"{facts.rows_per_call:,.0f} rows a call in the workload"],
        costs=["a page at a time: by the last key seen, not by OFFSET; a stream (server-side cursor) for exports"],
    )


RULE = Rule("missing-limit", "many rows a call without a LIMIT", _find)
