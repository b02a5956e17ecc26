"""`SELECT DISTINCT … JOIN` where the join only asks whether there is a partner: rows are multiplied, then merged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ..ordering import conjuncts
from .rule import Draft, Facts, Rule, replaced

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]


def _find(facts: Facts) -> Iterator[Draft]:
    tree = facts.statement.tree
    if not isinstance(tree, exp.Select) or not isinstance(tree.args.get("distinct"), exp.Distinct):
        return
    joins = tree.args.get("joins") or []
    sources = list(facts.sources.sources(tree))
    if tree.args["distinct"].args.get("on") or len(joins) != 1 or len(sources) != 2 or tree.args.get("group"):
        return
    join, (outer, _), (inner, _) = joins[0], *sources
    if (join.args.get("side") or "") or join.args.get("on") is None or not _only_of(facts, tree, outer, inner):
        return
    keeps = not _has_key(facts, tree, outer)
    yield Draft(
        what=f"the join with {inner} only asks whether there is a row: DISTINCT merges what it multiplies",
        node=join.this,
        evidence=[f"no column of {inner} is returned"],
        rewrite=_semijoin(facts, tree, join, inner, distinct=keeps),
        costs=["the text changes; DISTINCT has to stay, for no key is returned" if keeps else "the text changes"],
    )


def _only_of(facts: Facts, tree: exp.Select, outer: str, inner: str) -> bool:
    """What is returned and ordered by is of the outer table alone."""
    parts = [*tree.selects, *(tree.args["order"].expressions if tree.args.get("order") else ())]
    for part in parts:
        if isinstance(part, exp.Star) or part.find(exp.Query, exp.AggFunc, exp.Window) is not None:
            return False
        for column in part.find_all(exp.Column):
            if column.table:
                if column.table.lower() != outer.lower():
                    return False
            elif _side(facts, tree, column, outer, inner) != outer:
                return False
    return True


def _side(facts: Facts, tree: exp.Select, column: exp.Column, outer: str, inner: str) -> str | None:
    """Which of the two sources an unqualified column is of; None where both have it, or neither."""
    if column.table:
        return next((name for name in (outer, inner) if name.lower() == column.table.lower()), None)
    holding = []
    for name, node in facts.sources.sources(tree):
        table = facts.sources.table(node)
        if table is None:
            return None
        if table.column(column.name) is not None:
            holding.append(name)
    return holding[0] if len(holding) == 1 else None


def _has_key(facts: Facts, tree: exp.Select, outer: str) -> bool:
    node = next(node for name, node in facts.sources.sources(tree) if name == outer)
    table = facts.sources.table(node)
    if table is None or table.view:
        return False
    if any(projection.is_star for projection in tree.selects):
        return table.is_key({column.name for column in table.columns})
    named = {found[1].name for each in tree.selects if (found := facts.sources.of(each.unalias())) is not None}
    return table.is_key(named)


def _semijoin(facts: Facts, tree: exp.Select, join: exp.Join, inner: str, *, distinct: bool) -> exp.Expr | None:
    outer = next(name for name, _ in facts.sources.sources(tree))
    where = tree.args.get("where")
    inside = list(conjuncts(join.args["on"]))
    outside: list[exp.Expr] = []
    for part in conjuncts(where.this if where is not None else None):
        sides = {_side(facts, tree, column, outer, inner) for column in part.find_all(exp.Column)}
        if None in sides:
            return None
        (inside if inner in sides else outside).append(part)
    asked = exp.select("1").from_(join.this.copy()).where(*(part.copy() for part in inside), copy=False)
    copy = replaced(tree, tree, tree.copy())
    copy.set("joins", None)
    copy.set("where", None)
    if not distinct:
        copy.set("distinct", None)
    conditions = [part.copy() for part in outside]
    return copy.where(*conditions, exp.Exists(this=asked), copy=False)  # type: ignore[attr-defined, no-any-return]


RULE = Rule("distinct-join", "DISTINCT over a join that only asks for existence", _find)
