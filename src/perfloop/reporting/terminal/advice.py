"""The terminal report of advice on a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import figures
from ..advice import advice_entries, advice_in_words, not_looked_at, not_worth_doing, worth_checking
from ..verdict import summary_line, verdict
from .load import STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import AdviceRecord

    from ..advice import AdviceEntry
    from .paper import Paper

__all__ = ["print_advice"]

_ENTRIES_SHOWN = 25
_LINES_SHOWN = 10
_LONGEST = 600


def print_advice(record: AdviceRecord, paper: Paper) -> None:
    """Print advice."""
    paper.blank()
    paper.line(("perfloop db advise", "bold"), f"  {figures.clean(record.database)}")
    paper.hanging("", (advice_in_words(record), "dim"), label_width=0)
    if record.partial:
        paper.blank()
        paper.block("INTERRUPTED  the advice is what was found until then", [], "yellow")
    entries = advice_entries(record)
    for number, entry in enumerate(entries[:_ENTRIES_SHOWN], 1):
        paper.blank()
        _print_entry(number, entry, paper)
    if len(entries) > _ENTRIES_SHOWN:
        paper.blank()
        paper.line((f"and {len(entries) - _ENTRIES_SHOWN} more, in the record", "dim"))
    _print_list("worth checking", worth_checking(record), paper)
    _print_list("not worth doing", not_worth_doing(record), paper)
    _print_list("not looked at", not_looked_at(record), paper)
    _print_list("notes", _notes(record), paper)
    said = verdict(record)
    paper.blank()
    paper.hanging("", (f"{summary_line(record)}.", STYLES[said.tone]), label_width=0)


def _print_entry(number: int, entry: AdviceEntry, paper: Paper) -> None:
    paper.hanging((f"{number}", "bold"), (figures.sentence(figures.shorten(entry.title, 300)), "bold"), label_width=4)
    if entry.gain:
        paper.hanging(("    gain", "dim"), (entry.gain, "bold green"), label_width=12)
    for label, lines, style in (
        ("why", [entry.why] if entry.why else [], ""),
        ("proof", entry.proof, ""),
        ("costs", entry.costs, ""),
        ("do", entry.do, "green"),
        ("instead", entry.instead, ""),
    ):
        for place, line in enumerate(lines[:_LINES_SHOWN]):
            paper.hanging(
                (f"    {label}" if place == 0 else "", "dim"),
                (figures.shorten(figures.clean(line), _LONGEST), style),
                label_width=12,
            )


def _print_list(title: str, lines: Sequence[str], paper: Paper) -> None:
    if not lines:
        return
    paper.blank()
    paper.line((title, "bold"))
    for line in lines[:_LINES_SHOWN]:
        paper.hanging(("·", "dim"), figures.shorten(figures.clean(line), _LONGEST), label_width=2)
    if len(lines) > _LINES_SHOWN:
        paper.line((f"and {len(lines) - _LINES_SHOWN} more, in the record", "dim"))


def _notes(record: AdviceRecord) -> list[str]:
    return [*record.notes, *(record.indexes.notes if record.indexes is not None else [])]
