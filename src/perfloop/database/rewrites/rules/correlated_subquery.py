"""An aggregate by a subquery for each row: as many searches as rows, where one grouping would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ..ordering import conjuncts
from .rule import Draft, Facts, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

_AGGREGATES = (exp.Count, exp.Sum, exp.Max, exp.Min, exp.Avg)


def _find(facts: Facts) -> Iterator[Draft]:
    tree = facts.statement.tree
    if not isinstance(tree, exp.Select) or any(tree.args.get(part) for part in ("group", "having", "distinct")):
        return
    for place, projection in enumerate(tree.selects):
        subquery = projection.unalias()
        if not isinstance(subquery, exp.Subquery) or not isinstance(subquery.this, exp.Select):
            continue
        query = subquery.this
        pair = _correlation(facts, tree, query)
        if pair is None:
            continue
        yield Draft(
            what="a subquery computes an aggregate for each row returned",
            node=subquery,
            evidence=[f"it is correlated by {facts.text(pair[0])} = {facts.text(pair[1])}"],
            rewrite=_grouped(facts, tree, place, query, *pair),
            costs=["the whole table is grouped once: it loses where few rows are returned and an index finds theirs"],
        )


def _correlation(facts: Facts, tree: exp.Select, query: exp.Select) -> tuple[exp.Column, exp.Column] | None:
    """(inner column, outer column) of the one condition that names the outer query; None for any other subquery."""
    if any(
        query.args.get(part) for part in ("group", "having", "distinct", "limit", "offset", "order", "joins", "with_")
    ):
        return None
    if (
        len(query.selects) != 1
        or not isinstance(query.selects[0].unalias(), _AGGREGATES)
        or not query.args.get("where")
    ):
        return None
    inside = {name.lower() for name, _ in facts.sources.sources(query)}
    around = {name.lower() for name, _ in facts.sources.sources(tree)}
    if len(inside) != 1 or inside & around:
        return None
    pair = None
    for part in conjuncts(query.args["where"].this):
        outer = [column for column in part.find_all(exp.Column) if _owner(facts, query, column) not in inside]
        if not outer:
            continue
        if pair is not None or not isinstance(part, exp.EQ):
            return None
        for inner, other in ((part.this, part.expression), (part.expression, part.this)):
            if (
                isinstance(inner, exp.Column)
                and isinstance(other, exp.Column)
                and _owner(facts, query, inner) in inside
                and other.table.lower() in around
            ):
                pair = inner, other
        if pair is None:
            return None
    if any(_owner(facts, query, column) not in inside for column in query.selects[0].find_all(exp.Column)):
        return None
    return pair


def _owner(facts: Facts, query: exp.Select, column: exp.Column) -> str:
    if column.table:
        return column.table.lower()
    for name, node in facts.sources.sources(query):
        table = facts.sources.table(node)
        if table is not None and table.column(column.name) is not None:
            return name.lower()
    return ""


def _grouped(
    facts: Facts, tree: exp.Select, place: int, query: exp.Select, inner: exp.Column, outer: exp.Column
) -> exp.Expr:
    name = f"grouped_{place + 1}"
    aggregate = query.selects[0].unalias()
    rest = [part.copy() for part in conjuncts(query.args["where"].this) if outer not in list(part.find_all(exp.Column))]
    rows = query.copy()
    rows.set("expressions", [exp.alias_(inner.copy(), "key"), exp.alias_(aggregate.copy(), "value")])
    rows.set("where", None)
    rows = rows.where(*rest, copy=False).group_by(inner.copy(), copy=False)
    value: exp.Expr = exp.column("value", table=name)
    if isinstance(aggregate, exp.Count):
        value = exp.func("COALESCE", value, exp.Literal.number(0))
    copy = tree.copy()
    projection = copy.selects[place]
    alias = projection.alias or aggregate.key
    copy.expressions[place] = exp.alias_(value, alias, quoted=False)
    copy.set("expressions", copy.expressions)
    on = exp.EQ(this=exp.column("key", table=name), expression=outer.copy())
    return copy.join(rows.subquery(name), on=on, join_type="left", copy=False)


RULE = Rule("correlated-subquery", "an aggregate computed by a subquery for each row", _find)
