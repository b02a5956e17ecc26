"""Rewrites to offer for a query: the rules' own, tempting ones that are right for some queries and wrong for others,
and what sqlglot's optimiser makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer import optimize

from .queries import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Candidate", "tempting"]


class Candidate(NamedTuple):
    """One rewrite, and who offers it."""

    source: str
    sql: str


def tempting(sql: str, dialect: str) -> Iterator[Candidate]:
    """Every transformation that applies somewhere in the query, in its first place, and the optimiser's."""
    tree = sqlglot.parse_one(sql, dialect=dialect)
    seen = {tree.sql(dialect=dialect)}
    for name, kind, change in _CHANGES:
        copy = tree.copy()
        node = next(iter(copy.find_all(kind)), None)
        if node is None or not change(node):
            continue
        text = copy.sql(dialect=dialect)
        if text not in seen:
            seen.add(text)
            yield Candidate(name, text)
    optimised = _optimised(tree, dialect)
    if optimised is not None and optimised not in seen:
        yield Candidate("sqlglot", optimised)


def _optimised(tree: exp.Expr, dialect: str) -> str | None:
    schema: dict[str, object] = {table: {name: kind for name, kind, _ in columns} for table, columns in TABLES.items()}
    try:
        return optimize(tree.copy(), schema=schema, dialect=dialect).sql(dialect=dialect)
    except (SqlglotError, ValueError, KeyError, AttributeError):
        return None


def _flip(to: type[exp.Expr]) -> Callable[[exp.Expr], bool]:
    def change(node: exp.Expr) -> bool:
        node.replace(to(this=node.this, expression=node.args["expression"]))
        return True

    return change


def _set(part: str, value: object) -> Callable[[exp.Expr], bool]:
    def change(node: exp.Expr) -> bool:
        if node.args.get(part) is None or node.args.get(part) == value:
            return False
        node.set(part, value)
        return True

    return change


def _subquery(node: exp.Expr) -> tuple[exp.Expr, exp.Select] | None:
    query = node.args.get("query")
    inner = query.unnest() if query is not None else None
    return (node.this, inner) if isinstance(inner, exp.Select) else None


def _in_to_exists(node: exp.Expr) -> bool:
    found = _subquery(node)
    if found is None:
        return False
    left, inner = found
    asked = inner.copy()
    value = asked.selects[0].copy()
    asked.set("expressions", [exp.Literal.number(1)])
    node.replace(exp.Exists(this=asked.where(exp.EQ(this=value, expression=left.copy()), copy=False)))
    return True


def _in_to_join(distinct: bool) -> Callable[[exp.Expr], bool]:
    def change(node: exp.Expr) -> bool:
        found = _subquery(node)
        select = node.find_ancestor(exp.Select)
        if found is None or select is None or isinstance(node.parent, exp.Not):
            return False
        left, inner = found
        on = exp.EQ(this=inner.selects[0].copy(), expression=left.copy())
        where = inner.args.get("where")
        table = inner.args["from_"].this.copy()
        node.replace(where.this.copy() if where is not None else exp.true())
        select.join(table, on=on, copy=False)
        if distinct:
            select.distinct(copy=False)
        return True

    return change


def _not_in_to_anti_join(node: exp.Expr) -> bool:
    inner = node.this
    select = node.find_ancestor(exp.Select)
    found = _subquery(inner) if isinstance(inner, exp.In) else None
    if found is None or select is None:
        return False
    left, query = found
    value = query.selects[0]
    where = query.args.get("where")
    on = exp.and_(exp.EQ(this=value.copy(), expression=left.copy()), where.this.copy() if where is not None else None)
    table = query.args["from_"].this.copy()
    node.replace(exp.Is(this=value.copy(), expression=exp.null()))
    select.join(table, on=on, join_type="left", copy=False)
    return True


def _or_to_union(distinct: bool) -> Callable[[exp.Expr], bool]:
    def change(node: exp.Expr) -> bool:
        select = node.find_ancestor(exp.Select)
        if select is None or select.parent is not None or any(select.args.get(part) for part in ("order", "group")):
            return False
        place = next(number for number, each in enumerate(select.walk()) if each is node)
        copies = [select.copy(), select.copy()]
        for copy, side in zip(copies, (node.this, node.expression), strict=True):
            next(each for number, each in enumerate(copy.walk()) if number == place).replace(side.copy())
        union = exp.union(*copies, distinct=distinct)
        for name in ("expressions", "from_", "where", "joins", "distinct"):
            select.set(name, None)
        select.set("expressions", [exp.Star()])
        select.set("from_", exp.From(this=union.subquery("parts")))
        return True

    return change


def _drop_first_conjunct(node: exp.Expr) -> bool:
    if not isinstance(node.this, exp.And):
        return False
    node.set("this", node.this.expression)
    return True


def _unwrap_coalesce(node: exp.Expr) -> bool:
    node.replace(node.this)
    return True


def _coalesce_or_null(node: exp.Expr) -> bool:
    parent = node.parent
    if not isinstance(parent, exp.EQ) or not parent.find_ancestor(exp.Where):
        return False
    column = node.this.copy()
    either = exp.or_(
        exp.EQ(this=column, expression=parent.expression.copy()), exp.Is(this=column, expression=exp.null())
    )
    parent.replace(exp.paren(either))
    return True


def _push_not(node: exp.Expr) -> bool:
    inner = node.this.unnest()
    if not isinstance(inner, exp.And | exp.Or):
        return False
    kind = exp.Or if isinstance(inner, exp.And) else exp.And
    sides = [exp.Not(this=exp.paren(side.copy())) for side in (inner.this, inner.expression)]
    node.replace(exp.paren(kind(this=sides[0], expression=sides[1])))
    return True


def _on_to_where(node: exp.Expr) -> bool:
    on = node.args.get("on")
    select = node.find_ancestor(exp.Select)
    if not isinstance(on, exp.And) or select is None:
        return False
    moved = on.expression.copy()
    node.set("on", on.this)
    select.where(moved, copy=False)
    return True


def _having_to_where(node: exp.Expr) -> bool:
    select = node.find_ancestor(exp.Select)
    if select is None or node.find(exp.AggFunc) is not None:
        return False
    moved = node.this.copy()
    select.set("having", None)
    select.where(moved, copy=False)
    return True


def _between(node: exp.Expr) -> bool:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
    node.replace(exp.paren(exp.and_(low, high)))
    return True


def _half_open(node: exp.Expr) -> bool:
    low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
    high = exp.LT(this=node.this.copy(), expression=node.args["high"].copy())
    node.replace(exp.paren(exp.and_(low, high)))
    return True


def _count_rows(node: exp.Expr) -> bool:
    if isinstance(node.this, exp.Star):
        return False
    node.set("this", exp.Star())
    return True


def _count_value(node: exp.Expr) -> bool:
    select = node.find_ancestor(exp.Select)
    table = select.args["from_"].this if select is not None else None
    if not isinstance(node.this, exp.Star) or not isinstance(table, exp.Table):
        return False
    column = TABLES[table.name][1][0]
    node.set("this", exp.column(column, table=table.alias_or_name))
    return True


def _next_page(node: exp.Expr) -> bool:
    node.set("expression", exp.Add(this=node.expression.copy(), expression=exp.Literal.number(1)))
    return True


def _narrow(node: exp.Expr) -> bool:
    node.set("expression", exp.Literal.string(f"a{node.expression.name}"))
    return True


def _add_distinct(node: exp.Expr) -> bool:
    if node.args.get("distinct") or node.args.get("limit"):
        return False
    node.set("distinct", exp.Distinct())
    return True


def _unlowered(node: exp.Expr) -> bool:
    node.replace(node.this)
    return True


_CHANGES: tuple[tuple[str, type[exp.Expr], Callable[[exp.Expr], bool]], ...] = (
    ("in to exists", exp.In, _in_to_exists),
    ("in to join", exp.In, _in_to_join(distinct=False)),
    ("in to distinct join", exp.In, _in_to_join(distinct=True)),
    ("not in to anti-join", exp.Not, _not_in_to_anti_join),
    ("or to union", exp.Or, _or_to_union(distinct=True)),
    ("or to union all", exp.Or, _or_to_union(distinct=False)),
    ("outer to inner join", exp.Join, _set("side", "")),
    ("union to union all", exp.Union, _set("distinct", False)),
    ("union all to union", exp.Union, _set("distinct", True)),
    ("distinct left out", exp.Select, _set("distinct", None)),
    ("distinct added", exp.Select, _add_distinct),
    ("condition left out", exp.Where, _drop_first_conjunct),
    ("coalesce left out", exp.Coalesce, _unwrap_coalesce),
    ("coalesce or null", exp.Coalesce, _coalesce_or_null),
    ("not pushed down", exp.Not, _push_not),
    ("on moved to where", exp.Join, _on_to_where),
    ("having moved to where", exp.Having, _having_to_where),
    ("between as comparisons", exp.Between, _between),
    ("between as a half-open range", exp.Between, _half_open),
    ("greater or equal", exp.GT, _flip(exp.GTE)),
    ("less", exp.LTE, _flip(exp.LT)),
    ("count of all", exp.Count, _count_rows),
    ("count of a column", exp.Count, _count_value),
    ("order left out", exp.Select, _set("order", None)),
    ("another page", exp.Offset, _next_page),
    ("pattern narrowed", exp.Like, _narrow),
    ("case taken as it is", exp.Lower, _unlowered),
)
