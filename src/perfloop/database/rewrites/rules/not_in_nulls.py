"""`NOT IN (SELECT …)`: one NULL in the subquery, and no row is returned; and no anti-join can be planned for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ....records.query_advice import Alternative
from ..ordering import conjuncts
from .rule import Draft, Facts, Rule, is_conjunct, replaced, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, exp.Not):
        inner = node.this.unnest()
        if not isinstance(inner, exp.In) or inner.args.get("query") is None:
            continue
        query = inner.args["query"].unnest()
        if not isinstance(query, exp.Select) or len(query.selects) != 1:
            continue
        value = query.selects[0].unalias()
        left, right = _may_be_null(facts, inner.this, None), _may_be_null(facts, value, query)
        evidence = [
            f"{facts.text(each)} {'may be NULL' if null else 'is never NULL'}"
            for each, null in ((inner.this, left), (value, right))
        ]
        yield Draft(
            what="NOT IN returns nothing once its subquery yields a NULL"
            if right
            else "NOT IN keeps the database from an anti-join",
            node=node,
            evidence=evidence,
            rewrite=_not_exists(facts, node, inner.this, value, query) if is_conjunct(node) else None,
            costs=["the text is longer; the subquery is correlated"],
            alternatives=[
                Alternative(
                    what="leave NULLs out of the subquery (IS NOT NULL), or ask by NOT EXISTS: another question where "
                    "there are NULLs, and mostly the one that was meant",
                    exact=False,
                )
            ]
            if left or right
            else [],
        )


def _may_be_null(facts: Facts, value: exp.Expr, query: exp.Select | None) -> bool:
    found = facts.sources.of(value)
    if found is None:
        return True
    select = query or value.find_ancestor(exp.Select)
    if select is not None and any((join.args.get("side") or "") for join in select.args.get("joins") or ()):
        return True
    where = query.args.get("where") if query is not None else None
    for part in conjuncts(where.this if where is not None else None):
        inner = part.this.unnest() if isinstance(part, exp.Not) else part
        negated = isinstance(part, exp.Not) != bool(inner.args.get("negate"))
        if isinstance(inner, exp.Is) and inner.this == value and isinstance(inner.expression, exp.Null) and negated:
            return False
    return found[1].nullable


def _not_exists(facts: Facts, node: exp.Expr, left: exp.Expr, value: exp.Expr, query: exp.Select) -> exp.Expr | None:
    if any(query.args.get(part) for part in ("group", "having", "distinct", "limit", "offset", "with_")):
        return None
    if not isinstance(left, exp.Column) or not isinstance(value, exp.Column):
        return None
    outer = left.find_ancestor(exp.Select)
    if outer is None:
        return None
    names = [name for name, _ in facts.sources.sources(query)]
    around = [name for name, source in facts.sources.sources(outer) if _holds(facts, source, left)]
    inside = [name for name, source in facts.sources.sources(query) if _holds(facts, source, value)]
    # A name that means another table inside the subquery would be taken for that one.
    if len(around) != 1 or len(inside) != 1 or around[0].lower() in (name.lower() for name in names):
        return None
    equal = exp.EQ(this=_qualified(value, inside[0]), expression=_qualified(left, around[0]))
    asked = query.copy()
    asked.set("expressions", [exp.Literal.number(1)])
    asked.where(equal, copy=False)
    return replaced(facts.statement.tree, node, exp.Not(this=exp.Exists(this=asked)))


def _holds(facts: Facts, source: exp.Expr, column: exp.Column) -> bool:
    table = facts.sources.table(source)
    if column.table and source.alias_or_name.lower() != column.table.lower():
        return False
    return table is not None and table.column(column.name) is not None


def _qualified(column: exp.Column, name: str) -> exp.Column:
    if column.table:
        return column.copy()
    return exp.Column(this=column.this.copy(), table=exp.to_identifier(name, quoted=not name.isidentifier()))


RULE = Rule("not-in-nulls", "NOT IN with a subquery", _find)
