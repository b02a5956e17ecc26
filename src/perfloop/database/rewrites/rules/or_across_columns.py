"""OR between conditions on different columns: one index serves one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .rule import Draft, Facts, Rule, is_conjunct, is_plain, replaced, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, exp.Or):
        select = node.find_ancestor(exp.Select)
        if isinstance(node.parent, exp.Or) or not is_conjunct(node) or select is not facts.statement.tree:
            continue
        left, right = node.this, node.expression
        names = [{column.name.lower() for column in side.find_all(exp.Column)} for side in (left, right)]
        if not names[0] or not names[1] or names[0] & names[1]:
            continue
        yield Draft(
            what="OR joins conditions on different columns: no single index serves both",
            node=node,
            evidence=[f"{_list(names[0])} on one side, {_list(names[1])} on the other"],
            rewrite=_union(facts, node, left, right) if is_plain(select) else None,
            costs=[
                "two searches instead of one pass: it loses where either side matches much of the table",
                "PostgreSQL can combine two indexes by itself (BitmapOr)" if facts.postgresql else "the text is longer",
            ],
        )


def _union(facts: Facts, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """Rows of the left, and rows of the right that the left has not: exact also where rows repeat or hold NULLs."""
    tree = facts.statement.tree
    already = exp.Is(this=exp.paren(left.copy()), expression=exp.true())
    rest = exp.and_(_wrapped(right), exp.Not(this=already), copy=False)
    first = replaced(tree, node, _wrapped(left))
    return exp.union(first, replaced(tree, node, exp.paren(rest)), distinct=False, copy=False)


def _wrapped(side: exp.Expr) -> exp.Expr:
    return exp.paren(side.copy()) if isinstance(side, exp.Or) else side.copy()


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


RULE = Rule("or-across-columns", "OR between conditions on different columns", _find)
