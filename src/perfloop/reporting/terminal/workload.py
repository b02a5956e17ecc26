"""The terminal report of a database workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import figures
from ..verdict import verdict
from ..workload import captured_in_words, repeated_in_words, statement_rows
from .load import MARKS, STYLES

if TYPE_CHECKING:
    from perfloop.records import WorkloadRecord

    from .paper import Cell, Paper

__all__ = ["print_workload"]

_SHOWN, _REPEATED_SHOWN = 15, 5
_LONGEST = 300


def print_workload(record: WorkloadRecord, paper: Paper) -> None:
    """Print a workload."""
    paper.blank()
    paper.line(("perfloop db capture", "bold"))
    paper.hanging("", (figures.clean(captured_in_words(record)), "dim"), label_width=0)
    rows = statement_rows(record)
    for row in rows[:_SHOWN]:
        paper.blank()
        heads: list[Cell] = [
            ("" if row.share is None else figures.share(row.share), "bold"),
            figures.plural(row.called, "call"),
        ]
        words = (row.total, "in all"), (row.mean, "each"), (row.rows, "rows")
        heads += [f"{text} {word}" for text, word in words if text]
        paper.line(*_spaced(heads))
        paper.hanging("", figures.statement(row.text, _LONGEST), label_width=2)
        if row.where:
            paper.hanging("", (figures.clean(row.where), "dim"), label_width=2)
    if len(rows) > _SHOWN:
        paper.blank()
        paper.line((f"… and {figures.plural(len(rows) - _SHOWN, 'more statement')}: the record has them", "dim"))
    for found in record.n_plus_one[:_REPEATED_SHOWN]:
        paper.blank()
        paper.line(("N+1", "bold yellow"), "  ", figures.clean(found.route or ""))
        for label, text in repeated_in_words(found):
            paper.hanging((label, "bold"), figures.shorten(figures.clean(text), _LONGEST))
    for why in record.left_out:
        paper.blank()
        paper.hanging(("·", "dim"), f"left out: {figures.clean(why)}", label_width=2)
    said = verdict(record)
    paper.blank()
    paper.hanging((MARKS[said.tone], STYLES[said.tone]), (said.headline, STYLES[said.tone]), label_width=2)


def _spaced(cells: list[Cell]) -> list[Cell]:
    spaced: list[Cell] = []
    for cell in cells:
        text = cell if isinstance(cell, str) else cell[0]
        if text:
            spaced += ["  ", cell] if spaced else [cell]
    return spaced
