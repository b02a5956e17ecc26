"""A column compared as another type: the whole column is converted, and its index is of no use."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from sqlglot import exp

from .rule import Draft, Facts, Rule, is_conjunct, replaced, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULE"]

_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE)


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, *_COMPARISONS):
        if not is_conjunct(node):
            continue
        for column, constant in ((node.this, node.expression), (node.expression, node.this)):
            draft = _comparison(facts, node, column.unnest(), constant.unnest())
            if draft is not None:
                yield draft
                break


def _comparison(facts: Facts, node: exp.Expr, side: exp.Expr, constant: exp.Expr) -> Draft | None:
    reference = side.this if isinstance(side, exp.Cast) else side
    found = facts.sources.of(reference)
    if found is None or found[1].kind != "integer":
        return None
    table, column = found
    literal = constant.this if isinstance(constant, exp.Cast) else constant
    whole = _whole(literal)
    if whole is None:
        return None
    if isinstance(side, exp.Cast):
        # '05' is no text of a number; only equality survives the way back.
        if not side.to.is_type(*exp.DataType.TEXT_TYPES) or not isinstance(node, exp.EQ) or literal.name != str(whole):
            return None
        what = f"{column.name} is turned into text for each row to be compared with '{whole}'"
    elif facts.postgresql and (_is_fraction(literal) or _casts_to_fraction(constant)):
        what = f"{column.name} is turned into {_type(constant)} for each row to be compared with {facts.text(constant)}"
    else:
        return None
    tree = replaced(facts.statement.tree, side, reference.copy()) if side is not reference else facts.statement.tree
    target = constant
    if side is not reference:
        # The copy has the same shape up to the constant: find its place again from the comparison.
        fresh = type(node)(
            this=reference.copy() if node.this.unnest() is side else exp.Literal.number(whole),
            expression=exp.Literal.number(whole) if node.this.unnest() is side else reference.copy(),
        )
        tree = replaced(facts.statement.tree, node, fresh)
    else:
        tree = replaced(facts.statement.tree, target, exp.Literal.number(whole))
    return Draft(
        what=what,
        node=node,
        evidence=[f"{table.name}.{column.name} is {column.declared}"],
        rewrite=tree,
        costs=["none; where the value is a parameter, pass it as an integer (a Decimal or float brings the same cast)"],
    )


def _whole(literal: exp.Expr) -> int | None:
    if not isinstance(literal, exp.Literal):
        return None
    try:
        value = Decimal(literal.name)
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else None
    except (InvalidOperation, OverflowError, ValueError):
        return None


def _is_fraction(literal: exp.Expr) -> bool:
    return isinstance(literal, exp.Literal) and not literal.is_string and not literal.name.isdigit()


def _casts_to_fraction(constant: exp.Expr) -> bool:
    return isinstance(constant, exp.Cast) and constant.to.is_type(
        exp.DataType.Type.DECIMAL, exp.DataType.Type.DOUBLE, exp.DataType.Type.FLOAT
    )


def _type(constant: exp.Expr) -> str:
    return constant.to.sql("postgres").lower() if isinstance(constant, exp.Cast) else "numeric"


RULE = Rule("implicit-cast", "a column compared as another type than its own", _find)
