"""`count(*) > 0`: every row is counted where the first would answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .rule import Draft, Facts, Rule, number, replaced, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

# Comparison of a count with a number: does it ask for some row, or for none?
_ASKS: dict[tuple[type[exp.Expr], int | None], bool] = {
    (exp.GT, 0): True,
    (exp.GTE, 1): True,
    (exp.NEQ, 0): True,
    (exp.EQ, 0): False,
    (exp.LT, 1): False,
    (exp.LTE, 0): False,
}
_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, exp.GT, exp.GTE, exp.NEQ, exp.EQ, exp.LT, exp.LTE):
        for counted, constant, kind in (
            (node.this, node.expression, type(node)),
            (node.expression, node.this, _TURNED.get(type(node), type(node))),
        ):
            asks = _ASKS.get((kind, number(constant.unnest())))
            rewrite = _rewrite(facts, node, counted.unnest(), asks) if asks is not None else None
            if rewrite is not None:
                yield Draft(
                    what="rows are counted to learn whether there is one",
                    node=node,
                    evidence=[f"the count is compared with {facts.text(constant)} only"],
                    rewrite=rewrite,
                    costs=["none"],
                )
                break


def _rewrite(facts: Facts, node: exp.Expr, counted: exp.Expr, some: bool) -> exp.Expr | None:
    """The statement with EXISTS; None where the count is of something else."""
    query = counted.this if isinstance(counted, exp.Subquery) else counted
    if isinstance(query, exp.Select) and len(query.selects) == 1:
        # (SELECT count(*) FROM …) > 0, as a condition or a column
        asked = _existence(query, query.selects[0].unalias())
        return replaced(facts.statement.tree, node, _exists(asked, some)) if asked is not None else None
    tree = facts.statement.tree
    if isinstance(query, exp.Count) and isinstance(tree, exp.Select) and len(tree.selects) == 1:
        # SELECT count(*) > 0 FROM …
        projection = tree.selects[0]
        if projection.unalias() is not node:
            return None
        asked = _existence(tree, query)
        if asked is None:
            return None
        value = _exists(asked, some)
        return exp.select(exp.alias_(value, projection.alias) if projection.alias else value)
    return None


def _existence(query: exp.Select, count: exp.Expr) -> exp.Select | None:
    if not isinstance(count, exp.Count) or count.find(exp.Distinct) is not None or count.args.get("expressions"):
        return None
    if any(query.args.get(part) for part in ("group", "having", "limit", "offset", "distinct", "with_", "order")):
        return None
    asked = query.copy()
    asked.set("expressions", [exp.Literal.number(1)])
    if not isinstance(count.this, exp.Star):
        asked = asked.where(exp.Not(this=exp.Is(this=count.this.copy(), expression=exp.null())), copy=False)
    return asked


def _exists(asked: exp.Select, some: bool) -> exp.Expr:
    exists = exp.Exists(this=asked)
    return exists if some else exp.Not(this=exists)


RULE = Rule("count-for-existence", "rows counted to learn whether there is one", _find)
