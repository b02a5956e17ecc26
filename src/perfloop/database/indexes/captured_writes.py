"""What a workload's own inserts and updates write, where it kept the values of enough executions.

Each expression that a statement writes is evaluated on the clone, so that `now()` and casts come out as values. A few
executions over and over would all go to the same few pages of an index: they are not taken for the workload's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot import exp

from .values import sampled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .catalogue import Table
    from .costs import Judged
    from .what_if import WhatIf

__all__ = ["LEAST_CAPTURED", "CapturedRows", "captured_inserts", "captured_updates"]

LEAST_CAPTURED = 20
"""Fewer different rows stand for nothing."""
_KEPT_AS_THEY_ARE = ("smallint", "integer", "bigint", "numeric", "timestamp", "uuid", "text", "char", "varchar")

CapturedRows = tuple[tuple[str, ...], list[tuple[Any, ...]]]
"""Columns, and values for them."""


def captured_inserts(clone: WhatIf, table: Table, statements: Sequence[Judged]) -> CapturedRows | None:
    """Rows that the workload's commonest insert of a table wrote; None where too few are known."""
    return _rows(clone, table, statements, "insert")


def captured_updates(clone: WhatIf, table: Table, statements: Sequence[Judged]) -> CapturedRows | None:
    """Values that the workload's commonest update of a table set; None where too few are known."""
    return _rows(clone, table, statements, "update")


def _rows(clone: WhatIf, table: Table, statements: Sequence[Judged], kind: str) -> CapturedRows | None:
    import psycopg

    of_table = [
        each
        for each in statements
        if (write := each.analysis.write) is not None and (write.kind, write.table.key) == (kind, table.key)
    ]
    for each in sorted(of_table, key=lambda each: -each.statement.calls):
        written: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
        for sql in sampled(each.statement, "postgresql"):
            try:
                tree = sqlglot.parse_one(sql, dialect="postgres")
            except sqlglot.errors.SqlglotError:  # the statement is parsed, with these values it is not
                continue
            for columns, values in _inserted(tree, table) if kind == "insert" else _set(tree):
                written.setdefault(columns, {})[values] = None
        columns, rows = max(written.items(), key=lambda item: len(item[1]), default=((), {}))
        if len(rows) < LEAST_CAPTURED or not set(columns) <= table.columns.keys():
            continue
        try:
            return columns, [_evaluated(clone, table, columns, row) for row in rows]
        except psycopg.Error:  # they look at what is not there outside their statement
            continue
    return None


def _inserted(tree: exp.Expr, table: Table) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Columns and expressions of each row of an `INSERT … VALUES`."""
    if not isinstance(tree.expression, exp.Values):
        return
    named = tree.this.expressions if isinstance(tree.this, exp.Schema) else []
    columns = tuple(_name(each) for each in named) or tuple(table.columns)
    for row in tree.expression.expressions:
        if isinstance(row, exp.Tuple) and len(row.expressions) <= len(columns):
            pairs = zip(columns, row.expressions, strict=False)
            given = [(name, each) for name, each in pairs if each.sql().upper() != "DEFAULT"]
            yield tuple(name for name, _ in given), tuple(each.sql(dialect="postgres") for _, each in given)


def _set(tree: exp.Expr) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Columns and expressions of an `UPDATE … SET`: those that do not depend on the row."""
    pairs = [
        (_name(each.this), each.expression)
        for each in tree.expressions
        if isinstance(each, exp.EQ) and isinstance(each.this, exp.Column) and not each.expression.find(exp.Column)
    ]
    if pairs:
        yield tuple(name for name, _ in pairs), tuple(each.sql(dialect="postgres") for _, each in pairs)


def _name(node: exp.Expr) -> str:
    identifier = node.find(exp.Identifier)
    assert identifier is not None
    return identifier.name if identifier.args.get("quoted") else identifier.name.lower()


def _evaluated(clone: WhatIf, table: Table, columns: Sequence[str], row: Sequence[str]) -> tuple[Any, ...]:
    """As Python's values where new ones are made after them, otherwise as text, which every type takes."""
    texts = []
    for name, value in zip(columns, row, strict=True):
        kind = table.columns[name].type
        plain = kind.startswith(_KEPT_AS_THEY_ARE) and not kind.endswith("[]")
        texts.append(f"CAST({value} AS {kind}){'' if plain else '::text'}")
    found = clone.connection.execute(f"SELECT {', '.join(texts)}".encode()).fetchone()
    assert found is not None
    return tuple(found)
