"""OFFSET: every row skipped is read first, so that the hundredth page costs a hundred times the first."""

from __future__ import annotations

from statistics import median_low
from typing import TYPE_CHECKING

from sqlglot import exp

from ..ordering import order_of
from ..statement import parameter_number
from .rule import Draft, Facts, Keyset, Rule, number, uncast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

_TRIED = 1000
"""Rows skipped in the proof and the measurement where the statement has a parameter of unknown value."""


def _find(facts: Facts) -> Iterator[Draft]:
    tree = facts.statement.tree
    offset = tree.args.get("offset")
    if not isinstance(tree, exp.Select) or offset is None or number(offset.expression) == 0:
        return
    order = order_of(tree, facts.sources)
    what = "OFFSET reads and throws away every row before the page"
    costs = [
        "pages follow each other: no jumping to page 57",
        "the service hands the last row's values from page to page",
    ]
    reason = _not_total(facts, tree, ordered=order.ordered, total=order.total)
    if reason is not None:
        yield Draft(what=what, node=offset, evidence=[reason], costs=costs)
        return
    built = _keyset(facts, tree, offset)
    yield Draft(
        what=what,
        node=offset,
        evidence=[
            _skips(facts, offset),
            "the order is total: the last row's values say where to go on",
        ],
        rewrite=built[0] if built else None,
        keyset=built[1] if built else None,
        costs=costs,
    )


def _skips(facts: Facts, offset: exp.Expr) -> str:
    if parameter_number(uncast(offset.expression)) is None:
        return f"skips {facts.text(offset.expression)} rows"
    tried = _skipped(facts, offset)
    if any(isinstance(each, int) and each > 0 for each in facts.values(offset.expression)):
        return f"skips {tried:,} rows, by the middle one of the values captured"
    return f"skips as many rows as a parameter says, whose values are not known: tried with {tried:,}"


def _skipped(facts: Facts, offset: exp.Expr) -> int | None:
    """How many rows the proof and the measurement skip; None where that can be told by no number."""
    inner = uncast(offset.expression)
    if parameter_number(inner) is None:
        return number(inner)
    later = [each for each in facts.values(inner) if isinstance(each, int) and each > 0]
    return median_low(later) if later else _TRIED


def _not_total(facts: Facts, tree: exp.Select, *, ordered: bool, total: bool) -> str | None:
    if not ordered:
        return "there is no ORDER BY: pages may repeat rows and leave rows out"
    if not total:
        return "the order is not total: rows that tie may come twice or not at all; add a unique key to ORDER BY"
    for ordered_by in tree.args["order"].expressions:
        found = facts.sources.of(ordered_by.this)
        if found is None:
            return "the order is by an expression: where a page ends cannot be told by a column's value"
        if found[1].nullable:
            return f"{found[1].name} may be NULL, which no comparison finds again"
    if len({bool(each.args.get("desc")) for each in tree.args["order"].expressions}) > 1:
        return "the order mixes ascending and descending: one comparison of rows does not say what comes after"
    if any((join.args.get("side") or "") for join in tree.args.get("joins") or ()):
        return "the order spans an outer join: a key of it may be NULL"
    return None


def _keyset(facts: Facts, tree: exp.Select, offset: exp.Expr) -> tuple[exp.Expr, Keyset] | None:
    if any(tree.args.get(part) for part in ("group", "distinct", "having", "with_")) or tree.args.get("limit") is None:
        return None
    keys = [ordered.this for ordered in tree.args["order"].expressions]
    names = tuple(f"last_{key.name}" for key in keys)
    if not all(isinstance(key, exp.Column) for key in keys) or len(set(names)) < len(names):
        return None
    compare = exp.LT if tree.args["order"].expressions[0].args.get("desc") else exp.GT
    count = _skipped(facts, offset)
    if count is None:
        return None
    original = tree.copy()
    original.set("offset", exp.Offset(expression=exp.Literal.number(count)))

    anchor = original.copy()
    anchor.set("expressions", [key.copy() for key in keys])
    anchor.set("limit", exp.Limit(expression=exp.Literal.number(1)))
    before = exp.Sub(this=exp.Literal.number(count), expression=exp.Literal.number(1))
    anchor.set("offset", exp.Offset(expression=before))

    def page(values: exp.Expr) -> exp.Expr:
        copy = tree.copy()
        copy.set("offset", None)
        where = compare(this=_row([key.copy() for key in keys]), expression=values)
        return copy.where(where, copy=False)

    after: list[exp.Expr] = [exp.Placeholder(this=exp.to_identifier(name)) for name in names]
    return page(_row(after)), Keyset(original, page(exp.Subquery(this=anchor)), anchor, names)


def _row(parts: list[exp.Expr]) -> exp.Expr:
    return parts[0] if len(parts) == 1 else exp.Tuple(expressions=parts)


RULE = Rule("offset-paging", "pages fetched by OFFSET", _find)
