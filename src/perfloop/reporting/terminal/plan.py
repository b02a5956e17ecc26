"""The terminal report of a plan: a tree with figures beside it, and what is dear in it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from .. import figures
from ..plan import PlanRow, explained_in_words, node_title, plan_rows
from ..verdict import summary_line, verdict
from .load import STYLES

if TYPE_CHECKING:
    from perfloop.records import PlanRecord

    from .paper import Cell, Paper

__all__ = ["print_plan"]

_DEEPEST = 24
"""Columns that a node's guide may take; deeper ones are drawn at that depth."""
_LONGEST_SQL = 600
_NARROWEST, _LINES_SHOWN = 22, 4
"""Columns of a condition, and the lines it is shown in."""
_PROBLEMS_SHOWN, _STEPS_SHOWN = 6, 120


def print_plan(record: PlanRecord, paper: Paper) -> None:
    """Print a plan."""
    paper.blank()
    paper.line(("perfloop db explain", "bold"), f"  {figures.clean(record.database)}")
    paper.hanging("", (explained_in_words(record), "dim"), label_width=0)
    paper.blank()
    paper.hanging("", (figures.shorten(figures.clean(record.sql), _LONGEST_SQL), ""), label_width=0)
    paper.blank()
    _print_tree(record, plan_rows(record), paper)
    shown = record.problems[:_PROBLEMS_SHOWN]
    nodes = record.nodes
    if record.worst is not None and not any(problem.node == record.worst for problem in shown):
        paper.blank()
        paper.hanging(("worst", "bold"), node_title(nodes[record.worst]), label_width=8)
        paper.hanging("", ("it takes most, and nothing in its figures is out of the ordinary", "dim"), label_width=8)
    for number, problem in enumerate(shown):
        title = "the statement as a whole" if problem.node is None else node_title(nodes[problem.node])
        label = "worst" if problem.node is not None and problem.node == record.worst else "also" if number else "step"
        repeated = number > 0 and problem.node == shown[number - 1].node
        if not repeated:
            paper.blank()
            paper.hanging((label, "bold red" if label == "worst" else "bold"), title, label_width=8)
        paper.hanging(("why", "dim"), figures.clean(problem.words), label_width=8)
        paper.hanging(("helps", "dim"), (figures.clean(problem.advice), "green"), label_width=8)
    hidden = len(record.problems) - len(shown)
    if hidden:
        paper.line((f"and {figures.plural(hidden, 'more problem')}, in the record", "dim"))
    if record.settings:
        paper.blank()
        words = ", ".join(f"{name} = {value}" for name, value in sorted(record.settings.items()))
        paper.hanging(("set", "dim"), figures.clean(words), label_width=8)
    if record.notes:
        paper.blank()
        for note in record.notes:
            paper.hanging(("·", "dim"), figures.clean(note), label_width=2)
    said = verdict(record)
    paper.blank()
    paper.hanging("", (f"{summary_line(record)}.", STYLES[said.tone]), label_width=0)


def _print_tree(record: PlanRecord, rows: list[PlanRow], paper: Paper) -> None:
    heads = {"own": "self", "share": "", "estimated": "rows est.", "actual": "actual", "loops": ""}
    texts = [_columns(row) for row in rows]
    widths = {
        key: max(len(head) if any(text[key] for text in texts) else 0, *(len(text[key]) for text in texts))
        for key, head in heads.items()
    }
    used = [key for key, width in widths.items() if width]
    if used:
        head = "  ".join(f"{heads[key]:>{widths[key]}}" for key in used)
        paper.line((f"  {head}".rstrip(), "dim"))
    for row, text in zip(rows[:_STEPS_SHOWN], texts, strict=False):
        worst = row.place == record.worst
        style = "bold red" if worst else ""
        cells: list[Cell] = [("▶ " if worst else "  ", style)]
        cells += [(f"{text[key]:>{widths[key]}}  ", style if key in ("own", "share") else "dim") for key in used]
        cells += [(_guide(row.guide), "dim"), (row.title, style or "bold")]
        paper.line(*cells)
        start = "  " + " " * sum(widths[key] + 2 for key in used)
        room = max(paper.width - 2 - len(start) - len(_guide(row.below)), _NARROWEST)
        for line in row.lines:
            for number, part in enumerate(textwrap.wrap(figures.clean(line), room)[:_LINES_SHOWN]):
                paper.line((start, ""), (_guide(row.below), "dim"), (f"{'  ' if number else ''}{part}", "dim"))
    if len(rows) > _STEPS_SHOWN:
        paper.line((f"  and {figures.plural(len(rows) - _STEPS_SHOWN, 'more step')}, in the record", "dim"))


def _columns(row: PlanRow) -> dict[str, str]:
    return {
        "own": row.own,
        "share": figures.small_share(row.share or 0.0),
        "estimated": row.estimated,
        "actual": row.actual,
        "loops": row.loops,
    }


def _guide(guide: str) -> str:
    return guide if len(guide) <= _DEEPEST else f"…{guide[len(guide) - _DEEPEST + 1 :]}"
