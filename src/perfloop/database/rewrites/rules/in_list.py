"""IN with many values: each length is another statement to parse, plan and keep statistics of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ....records.query_advice import Alternative
from ..statement import generate
from .rule import Draft, Facts, Rule, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

_MANY = 50


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, exp.In):
        values = node.args.get("expressions") or []
        if len(values) < _MANY or node.args.get("query") is not None:
            continue
        column = generate(node.this, facts.statement.dialect)
        negated = isinstance(node.parent, exp.Not)
        if facts.postgresql:
            sql = f"{column} <> ALL($1)" if negated else f"{column} = ANY($1)"
            what = "pass the values as one array: one statement for every number of them"
        else:
            sql = f"{column} {'NOT ' if negated else ''}IN (SELECT value FROM json_each(:p1))"
            what = "pass the values as one JSON array: one statement for every number of them"
        yield Draft(
            what=f"IN with {len(values):,} values: every length is a statement of its own to parse and plan",
            node=node,
            evidence=[
                f"{len(values):,} values",
                "statements with other numbers of values have other plans and statistics",
            ],
            costs=[
                "the planner no longer sees how many values there are",
                "chunks of about a thousand bound the answer",
            ],
            alternatives=[Alternative(what=what, sql=sql)],
        )


RULE = Rule("in-list", "IN with many values", _find)
