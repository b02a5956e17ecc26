"""A function or arithmetic around a column: an index on the column cannot be searched for the function's value."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from sqlglot import exp

from ....records.query_advice import Alternative
from ..statement import generate, quoted
from .rule import Draft, Facts, Rule, is_conjunct, number, replaced, text_of, walked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tables import Column, Table

__all__ = ["RULE"]

_COMPARISONS = (exp.EQ, exp.GT, exp.GTE, exp.LT, exp.LTE)
_TURNED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.EQ,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}
_DAY = dt.timedelta(days=1)


def _find(facts: Facts) -> Iterator[Draft]:
    for node in walked(facts, *_COMPARISONS):
        if not is_conjunct(node):
            continue
        for wrapped, constant, kind in (
            (node.this, node.expression, type(node)),
            (node.expression, node.this, _TURNED[type(node)]),
        ):
            draft = _comparison(facts, node, wrapped.unnest(), constant.unnest(), kind)
            if draft is not None:
                yield draft
                break


def _comparison(
    facts: Facts, node: exp.Expr, wrapped: exp.Expr, constant: exp.Expr, kind: type[exp.Expr]
) -> Draft | None:
    if isinstance(wrapped, exp.Column) or constant.find(exp.Column, exp.Query) is not None:
        return None
    if not isinstance(wrapped, exp.Func | exp.Cast | exp.Add | exp.Sub):
        return None
    columns = list(wrapped.find_all(exp.Column))
    found = facts.sources.of(columns[0]) if len(columns) == 1 else None
    if found is None or wrapped.find(exp.Query, exp.AggFunc) is not None:
        return None
    table, column = found
    if isinstance(wrapped, exp.Cast) and column.kind == "integer":
        return None  # the rule of casts
    text = facts.text(wrapped)
    if any(_same(text, index.definition) for index in table.indexes):
        return None
    plain = _plain(facts, wrapped, columns[0], column, constant, kind)
    return Draft(
        what=f"{text} is compared: an index on {column.name} cannot be searched for it",
        node=node,
        evidence=[f"no index of {table.name} is on the expression itself"],
        rewrite=replaced(facts.statement.tree, node, plain) if plain is not None else None,
        costs=["none beyond the change of the text; it gains with an index on the column alone"] if plain else [],
        alternatives=[_expression_index(facts, table, column, wrapped)],
    )


def _same(text: str, definition: str) -> bool:
    def squeezed(sql: str) -> str:
        return "".join(character for character in sql.lower() if character not in " \"()'").replace("::text", "")

    return squeezed(text) in squeezed(definition)


def _expression_index(facts: Facts, table: Table, column: Column, wrapped: exp.Expr) -> Alternative:
    bare = wrapped.copy()
    for node in bare.find_all(exp.Column):
        node.set("table", None)
        node.set("db", None)
    place = f"{quoted(table.schema)}.{quoted(table.name)}" if table.schema else quoted(table.name)
    name = "" if facts.postgresql else f"{quoted(f'{table.name}_{column.name}_expression')} "
    return Alternative(
        what="an index on the expression serves the statement as it is, where the expression is immutable",
        sql=f"CREATE INDEX {name}ON {place} (({generate(bare, facts.statement.dialect)}))",
    )


def _plain(
    facts: Facts, wrapped: exp.Expr, reference: exp.Expr, column: Column, constant: exp.Expr, kind: type[exp.Expr]
) -> exp.Expr | None:
    """A condition on the column alone that holds for the same rows; None where none is known."""
    if isinstance(wrapped, exp.Coalesce) and kind is exp.EQ:
        return _coalesce(wrapped, reference, constant)
    if isinstance(wrapped, exp.Add | exp.Sub) and column.kind == "integer":
        return _arithmetic(wrapped, reference, constant, kind)
    if column.kind in ("timestamp", "date"):
        day = text_of(constant)
        if day is not None and _is_day(wrapped):
            return _day(reference, day, kind)
        year = number(constant) if isinstance(wrapped, exp.Extract) else None
        if year is not None and kind is exp.EQ and wrapped.name.upper() == "YEAR" and 1 <= year < 9999:
            return _range(reference, f"{year:04d}-01-01", f"{year + 1:04d}-01-01")
    prefix = text_of(constant)
    if prefix and kind is exp.EQ and column.kind == "text" and not column.padded and _is_prefix(wrapped, len(prefix)):
        if facts.postgresql:
            escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            return exp.Like(this=reference.copy(), expression=exp.Literal.string(escaped + "%"))
        if not any(sign in prefix for sign in "*?["):
            return exp.Glob(this=reference.copy(), expression=exp.Literal.string(prefix + "*"))
    return None


def _coalesce(wrapped: exp.Coalesce, reference: exp.Expr, constant: exp.Expr) -> exp.Expr | None:
    others = wrapped.expressions
    if wrapped.this is not reference or len(others) != 1:
        return None
    same = (number(others[0]), text_of(others[0])) == (number(constant), text_of(constant))
    if not all(number(each) is not None or text_of(each) is not None for each in (others[0], constant)):
        return None
    equal = exp.EQ(this=reference.copy(), expression=constant.copy())
    if not same:
        return equal
    return exp.paren(exp.or_(equal, exp.Is(this=reference.copy(), expression=exp.null())), copy=False)


def _arithmetic(wrapped: exp.Expr, reference: exp.Expr, constant: exp.Expr, kind: type[exp.Expr]) -> exp.Expr | None:
    step, target = number(wrapped.args["expression"]), number(constant)
    if wrapped.this is not reference or step is None or target is None:
        return None
    result = target - step if isinstance(wrapped, exp.Add) else target + step
    return kind(this=reference.copy(), expression=exp.Literal.number(result))


def _is_day(wrapped: exp.Expr) -> bool:
    if isinstance(wrapped, exp.Cast):
        return bool(wrapped.to.is_type("date")) and isinstance(wrapped.this, exp.Column)
    if isinstance(wrapped, exp.Date | exp.TsOrDsToDate):
        return isinstance(wrapped.this, exp.Column) and not wrapped.args.get("expressions")
    return isinstance(wrapped, exp.TimestampTrunc | exp.DateTrunc) and wrapped.text("unit").upper() == "DAY"


def _day(reference: exp.Expr, day: str, kind: type[exp.Expr]) -> exp.Expr | None:
    try:
        this = dt.date.fromisoformat(day)
        following = (this + _DAY).isoformat()
    except (ValueError, OverflowError):
        return None
    if kind is exp.EQ:
        return _range(reference, day, following)
    boundary = day if kind in (exp.GTE, exp.LT) else following
    compare = exp.GTE if kind in (exp.GTE, exp.GT) else exp.LT
    return compare(this=reference.copy(), expression=exp.Literal.string(boundary))


def _range(reference: exp.Expr, low: str, high: str) -> exp.Expr:
    return exp.and_(
        exp.GTE(this=reference.copy(), expression=exp.Literal.string(low)),
        exp.LT(this=reference.copy(), expression=exp.Literal.string(high)),
        copy=False,
    )


def _is_prefix(wrapped: exp.Expr, length: int) -> bool:
    if isinstance(wrapped, exp.Left):
        return number(wrapped.expression) == length
    return (
        isinstance(wrapped, exp.Substring)
        and number(wrapped.args.get("start")) == 1
        and number(wrapped.args.get("length")) == length
    )


RULE = Rule("function-on-column", "a function around a column that an index could serve", _find)
