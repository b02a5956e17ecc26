"""Which conditions on literals every execution asks: one text of a statement tells its own alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from .analysis import analyse
from .scopes import Unparsable

if TYPE_CHECKING:
    from ...records.workload import WorkloadStatement
    from .access import Analysis
    from .catalogue import Catalogue

__all__ = ["analyse_statement"]

_NEARLY_ALL = 0.95


def analyse_statement(statement: WorkloadStatement, catalogue: Catalogue) -> Analysis:
    """Resolve a statement; a constant condition is left only where nearly all executions captured ask it, with the same
    literals: a partial index serves no others.

    Raises:
        Unparsable: see `analyse`.
    """
    analysis = analyse(statement.sql, catalogue)
    if not statement.texts or not any(access.constants for access in analysis.accesses):
        return analysis
    asked: Counter[tuple[tuple[str | None, str], str]] = Counter()
    for text in statement.texts:
        try:
            found = analyse(text.sql, catalogue)
        except Unparsable:
            continue
        for key in {(access.table.key, each.sql) for access in found.accesses for each in access.constants}:
            asked[key] += text.calls
    least = _NEARLY_ALL * sum(text.calls for text in statement.texts)
    accesses = [
        replace(access, constants=tuple(c for c in access.constants if asked[access.table.key, c.sql] >= least))
        for access in analysis.accesses
    ]
    return replace(analysis, accesses=tuple(accesses))
