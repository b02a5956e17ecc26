"""Statements made wrong on purpose: rows that cannot tell these from the original cannot tell a rewrite from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .ordering import conjuncts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .statement import Statement

__all__ = ["mutants"]

_FLIPS: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
    exp.And: exp.Or,
    exp.Or: exp.And,
}
MOST = 12


def mutants(statement: Statement) -> list[Statement]:
    """At most a dozen, each wrong in one place: a condition left out or turned, a join of the other kind."""
    found: dict[str, Statement] = {}
    for tree in _mutated(statement.tree):
        mutant = statement.with_tree(tree)
        found.setdefault(mutant.sql, mutant)
    found.pop(statement.with_tree(statement.tree).sql, None)
    # Spread over the statement where there are more than are worth running.
    every = list(found.values())
    return every[:: max(1, -(-len(every) // MOST))]


def _mutated(tree: exp.Expr) -> Iterator[exp.Expr]:
    for number, node in enumerate(tree.walk()):
        for change in _changes(node):
            copy = tree.copy()
            target = next(each for place, each in enumerate(copy.walk()) if place == number)
            yield _apply(copy, target, change)


def _changes(node: exp.Expr) -> Iterator[str]:
    if type(node) in _FLIPS and (not isinstance(node, exp.And | exp.Or) or _is_condition(node)):
        yield "flip"
    if isinstance(node, exp.Limit | exp.Offset) and node.expression is not None:
        yield "count"
    if isinstance(node, exp.Ordered) and node.find_ancestor(exp.Window) is None:
        yield "direction"
    if isinstance(node, exp.Where):
        yield from (f"drop {number}" for number, _ in enumerate(conjuncts(node.this)))
    if isinstance(node, exp.Join) and (node.side or "").upper() in ("", "LEFT") and node.args.get("on") is not None:
        yield "side"
    if isinstance(node, exp.Not) or (
        isinstance(node, exp.In | exp.Exists | exp.Is) and not isinstance(node.parent, exp.Not)
    ):
        yield "not"
    if isinstance(node, exp.Union):
        yield "all"
    if (
        isinstance(node, exp.Select)
        and node.args.get("distinct") is not None
        and not node.args["distinct"].args.get("on")
    ):
        yield "distinct"


def _is_condition(node: exp.Expr) -> bool:
    return node.find_ancestor(exp.Where, exp.Join, exp.Having) is not None


def _apply(tree: exp.Expr, node: exp.Expr, change: str) -> exp.Expr:
    match change.split():
        case ["flip"]:
            node.replace(_FLIPS[type(node)](this=node.this, expression=node.args["expression"]))
        case ["drop", number]:
            parts = list(conjuncts(node.this))
            parts.pop(int(number))
            node.set("this", exp.and_(*parts, copy=False) if parts else exp.true())
        case ["count"]:
            node.set("expression", exp.Add(this=exp.paren(node.expression.copy()), expression=exp.Literal.number(1)))
        case ["direction"]:
            node.set("desc", not node.args.get("desc"))
            node.set("nulls_first", None)
        case ["side"]:
            node.set("side", None if node.args.get("side") else "LEFT")
            node.set("kind", None)
        case ["not"]:
            node.replace(node.this if isinstance(node, exp.Not) else exp.Not(this=exp.paren(node.copy())))
        case ["all"]:
            node.set("distinct", not node.args.get("distinct"))
        case ["distinct"]:
            node.set("distinct", None)
    return tree
