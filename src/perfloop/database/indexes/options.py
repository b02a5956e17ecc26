"""What index advice can be told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexOptions"]


@dataclass(frozen=True)
class IndexOptions:
    """Limits of the search and of what is measured."""

    size_budget: int | None = None
    """Bytes that all advised indexes may take together; None: as much as the tables they are for."""
    minimum_gain: float = 0.003
    """Share of the workload's cost that each index has to save."""
    statement_seconds: float = 5.0
    """What one execution on the clone may take; one that takes longer counts as not ended."""
    search_seconds: float = 90.0
    """For choosing; the best set found until then is taken. What is executed to measure it is not counted."""
    write_rows: int = 500
    """Rows that a write bill updates in each of its rounds; on SQLite inserts, too."""
    write_rounds: int = 31
    write_growths: int = 40
    """How often, at most, a table that the workload writes grows for its write bill; the others do so five times."""
    write_seconds: float = 30.0
    """For all tables' growths: what is not begun until then is not measured."""
    most_statements: int = 200
    """The dearest of the workload; the others are left out, and said to be."""
