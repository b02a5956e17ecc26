"""Why an index looks as it does, and why a statement wants none, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...records.index_advice import SequentialScan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .access import Access
    from .catalogue import Catalogue, Table
    from .costs import Judged
    from .definition import IndexDefinition, IndexKey

__all__ = ["reason", "scanned_tables", "sequential_scan"]

_FEW_PAGES = 12
_MANY_ROWS = 0.1


def reason(definition: IndexDefinition, statements: Sequence[Judged]) -> str:
    """The part that each key plays in the statements that use the index, those that gain most first."""
    accesses = [
        access
        for each in statements
        for access in each.analysis.accesses
        if access.table.key == (definition.schema, definition.table)
    ]
    parts = {_subject(key): _part(key, accesses) for key in definition.keys}
    text = ", then ".join(f"{subject} {part}" for subject, part in parts.items() if part is not None)
    held = [*(subject for subject, part in parts.items() if part is None), *definition.include]
    if held:
        place = "in its leaves" if definition.include else "at its end"
        text = f"{text}; " if text else ""
        text += f"{', '.join(held)} {place}, so that the table is not looked at"
    if definition.where is not None:
        text += f"; only rows where {definition.where}, which every execution asks"
    return text


def _subject(key: IndexKey) -> str:
    return key.column if key.column is not None else key.expression or ""


def _part(key: IndexKey, accesses: Sequence[Access]) -> str | None:
    """None: it is held for its value alone."""
    subject = key.subject if key.column is not None else key.expression
    for access in accesses:
        if any(term.sql == subject for term in access.equalities):
            return "is compared with ="
        if any(term.sql == subject for term in access.joins):
            return "joins another table"
        if any(each.term.sql == subject for each in access.patterns):
            return "is asked for parts of its text" if key.operator_class == "gin_trgm_ops" else "is asked for prefixes"
        if any(term.sql == subject for term in access.containments):
            return "is asked for what it contains"
        if any(term.sql == subject for term in access.ranges):
            return "is asked for a range"
        if any(each.term.sql == subject for each in access.ordering):
            return "gives the order"
        if any(term.sql == subject for term in access.grouping):
            return "gives the groups"
    return None


def scanned_tables(plan: dict[str, Any]) -> Iterator[tuple[str | None, str, float, bool]]:
    """Of a plan in EXPLAIN's JSON, the tables read whole: schema, name, rows wanted, whether there is a condition."""
    if plan.get("Node Type") == "Seq Scan":
        yield plan.get("Schema"), plan["Relation Name"], float(plan.get("Plan Rows", 0)), "Filter" in plan
    for inner in plan.get("Plans", ()):
        yield from scanned_tables(inner)


def sequential_scan(
    judged: Judged, schema: str | None, name: str, rows: float | None, filtered: bool, catalogue: Catalogue
) -> SequentialScan | None:
    """Why reading the whole table is right, once no candidate made it cheaper; None for an unknown table.

    Args:
        rows: that the statement wants of it; None: not known.
    """
    table: Table | None = catalogue.find(schema, name)
    if table is None:
        return None
    share = min(rows / table.rows, 1.0) if table.rows and rows is not None else None
    if table.rows == 0:
        why = "the table is empty: its plans say nothing about a table with rows"
    elif table.pages <= _FEW_PAGES:
        why = f"it takes {table.pages} pages: reading them all costs no more than an index's way to them"
    elif not filtered:
        why = (
            "every row is wanted: there is no condition on this table alone, and looking rows up one by one costs more"
        )
    elif share is not None and share >= _MANY_ROWS:
        why = f"{share * 100:.0f} % of the rows are wanted: an index would lead to most pages one by one"
    else:
        why = "no index that was tried makes it cheaper"
    return SequentialScan(
        fingerprint=judged.statement.fingerprint,
        table=table.sql,
        reason=why,
        rows=table.rows,
        share=share if filtered else None,
    )
