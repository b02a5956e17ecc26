"""The terminal report of a replay: a timeline of the settings, their figures, the choice and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.units import format_duration

from .. import figures
from ..replay import HEADS, cells, outage_in_words, replayed_in_words, setting_rows
from ..verdict import verdict
from .load import MARKS, STYLES
from .paper import sparkline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import ReplayRecord

    from .paper import Cell, Paper

__all__ = ["print_replay"]

_SHOWN, _DRAWN, _OUTAGES_SHOWN = 12, 6, 5
_LABEL = 16
_WIDE, _NARROW_LEAVES_OUT = 76, ("opened", "to close")
_SHARES = " ░▒▓█"


def print_replay(record: ReplayRecord, paper: Paper) -> None:
    """Print a replay."""
    paper.blank()
    paper.line(("perfloop resilience replay", "bold"))
    paper.hanging("", (figures.clean(replayed_in_words(record)), "dim"), label_width=0)
    for outage in record.outages[:_OUTAGES_SHOWN]:
        paper.hanging(("outage", "red"), outage_in_words(outage))
    if len(record.outages) > _OUTAGES_SHOWN:
        paper.line((f"and {figures.plural(len(record.outages) - _OUTAGES_SHOWN, 'outage')} more", "dim"))
    rows = setting_rows(record)
    _timeline(record, paper)
    paper.blank()
    names = list(dict.fromkeys(" · ".join(row.result.settings) for row in rows if row.result.settings))
    for at, each in enumerate(names):  # kinds of windows have settings of their own
        paper.hanging(("settings" if not at else "", "dim"), (figures.clean(each), "bold"))
    left_out = _NARROW_LEAVES_OUT if paper.width < _WIDE else ()
    heads = [head for head in HEADS if head not in left_out]
    table: list[list[Cell]] = [[("", ""), *((head, "dim") for head in heads)]]
    styles = {"chosen": "bold green", "chosen, missed": "bold yellow", "best": "green", "": ""}
    for row in rows[:_SHOWN]:
        mark = {"chosen": "✓", "chosen, missed": "!", "best": "·"}.get(row.mark, " ")
        told = zip(HEADS, (row.values or row.setting, *cells(row)), strict=True)
        texts = [text for head, text in told if head not in left_out]
        table.append([(mark, styles[row.mark]), *((text, styles[row.mark]) for text in texts)])
    paper.table(table, "<<" + ">" * (len(heads) - 1))
    if len(rows) > _SHOWN:
        paper.line((f"and {figures.plural(len(rows) - _SHOWN, 'setting')} more: the record has them", "dim"))
    paper.hanging(
        "",
        (
            "in vain: rejected calls that had succeeded. let through: failed in an outage all the same. "
            "·: no other setting has fewer of both.",
            "dim",
        ),
        label_width=0,
    )
    paper.blank()
    for caveat in record.caveats:
        paper.hanging(("·", "dim"), (figures.clean(caveat), "dim"), label_width=2)
    said = verdict(record)
    paper.blank()
    paper.hanging("", figures.clean(record.reason), label_width=0)
    paper.blank()
    words = (said.headline, STYLES[said.tone]), f", {said.addition}" if said.addition else ""
    paper.hanging((MARKS[said.tone], STYLES[said.tone]), *words, label_width=2)


def _timeline(record: ReplayRecord, paper: Paper) -> None:
    """Calls, failures, outages, and when each of the first settings was open, below each other."""
    width = paper.width - _LABEL - 2
    course, step = record.course, record.course.step_seconds
    if not course.calls:
        return
    paper.blank()
    paper.line(f"{'calls':<{_LABEL}}", (sparkline([float(each) for each in course.calls], width), "cyan"))
    paper.line(f"{'failures':<{_LABEL}}", (sparkline([float(each) for each in course.failures], width), "red"))
    down = [
        float(any(each.start_seconds < (at + 1) * step and each.end_seconds > at * step for each in record.outages))
        for at in range(len(course.calls))
    ]
    _band_line("outages", "", down, "red", paper)
    for row in setting_rows(record)[:_DRAWN]:
        style = "bold green" if row.mark.startswith("chosen") else "yellow"
        label = figures.shorten(row.values or "open", _LABEL - 1)
        _band_line(label, style, row.result.open_share, style, paper)
    end = format_duration(record.seconds)
    columns = min(width, len(course.calls))
    paper.line(f"{'':<{_LABEL}}", (f"0{end:>{columns - 1}}", "dim"))


def _band_line(label: str, label_style: str, shares: Sequence[float], style: str, paper: Paper) -> None:
    band = _band(shares, paper.width - _LABEL - 2).rstrip()
    paper.line((f"{label:<{_LABEL}}" if band else label, label_style), (band, style))


def _band(shares: Sequence[float], width: int) -> str:
    """How far it is on in each step; any share above zero shows."""
    columns = min(width, len(shares))
    line = ""
    for column in range(columns):
        part = shares[column * len(shares) // columns : (column + 1) * len(shares) // columns]
        share = max(part, default=0.0)
        line += _SHARES[max(round(share * 4), 1 if share > 0 else 0)]
    return line
