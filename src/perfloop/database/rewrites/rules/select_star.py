"""`SELECT *` from a table with wide columns: what nobody reads is fetched, sent and decoded all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from .rule import Draft, Facts, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..tables import Table

__all__ = ["RULE"]

_WIDE = 200.0
"""Bytes a value, on average."""


def _find(facts: Facts) -> Iterator[Draft]:
    tree = facts.statement.tree
    if not isinstance(tree, exp.Select):
        return
    for projection in tree.selects:
        if not projection.is_star or isinstance(projection, exp.Count):
            continue
        for table in _starred(facts, tree, projection):
            wide = [column for column in table.columns if (column.width or 0) >= _WIDE]
            row = sum(column.width or 8 for column in table.columns)
            if wide and sum(column.width or 0 for column in wide) * 2 >= row:
                yield Draft(
                    what=f"SELECT * fetches {', '.join(column.name for column in wide)} of {table.name} with every row",
                    node=projection,
                    evidence=[f"{column.name}: {column.width:,.0f} bytes a row" for column in wide]
                    + [f"{row:,.0f} bytes a row in all"],
                    costs=["naming the columns that are read; a column added later does not come by itself"],
                )


def _starred(facts: Facts, tree: exp.Select, projection: exp.Expr) -> Iterator[Table]:
    wanted = projection.table.lower() if isinstance(projection, exp.Column) else ""
    for name, node in facts.sources.sources(tree):
        table = facts.sources.table(node)
        if table is not None and wanted in ("", name.lower()):
            yield table


RULE = Rule("select-star", "SELECT * from a table with wide columns", _find)
