"""The terminal report of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import figures
from ..verdict import summary_line, verdict
from .load import STYLES

if TYPE_CHECKING:
    from perfloop.records import ComparisonRecord, MetricComparison

    from .paper import Cell, Paper

__all__ = ["print_comparison"]

_LOOKS = {
    "faster": ("✓ faster", "bold green"),
    "slower": ("✗ slower", "bold red"),
    "no difference": ("= no difference", ""),
    "not enough data": ("? not enough data", "yellow"),
}


def print_comparison(record: ComparisonRecord, paper: Paper) -> None:
    """Print a comparison."""
    paper.blank()
    paper.line(
        ("perfloop compare", "bold"),
        (f"  {figures.plural(record.runs, 'run')} each · {figures.share(record.confidence)} confidence", "dim"),
    )
    paper.line(("A", "bold"), "  ", figures.clean(record.a))
    paper.line(("B", "bold"), "  ", figures.clean(record.b))
    if record.partial:
        paper.blank()
        paper.block("INTERRUPTED  only the runs finished until then are compared", [], "yellow")
    if record.metrics:
        paper.blank()
        heads = ("metric", "A", "B", "B ÷ A", "", "B is")
        rows: list[list[Cell]] = [[(head, "dim") for head in heads]]
        rows += [_row(metric) for metric in record.metrics]
        paper.table(rows, "<>>><<")
    if record.reasons:
        paper.blank()
        for reason in record.reasons:
            paper.hanging(("·", "dim"), figures.clean(reason), label_width=2)
    said = verdict(record)
    paper.blank()
    paper.hanging("", (f"{summary_line(record)}.", STYLES[said.tone]), label_width=0)


def _row(metric: MetricComparison) -> list[Cell]:
    ratio, interval = "–", ""
    if metric.ratio is not None:
        ratio = _ratio(metric.ratio[1])
        if metric.ratio[0] < metric.ratio[2]:
            interval = f"({_ratio(metric.ratio[0])}–{_ratio(metric.ratio[2])})"
    style = "bold" if metric.verdict in ("faster", "slower") else ""
    return [
        figures.spaced(metric.metric),
        figures.with_unit(metric.a, metric.unit, short=True),
        figures.with_unit(metric.b, metric.unit, short=True),
        (ratio, style),
        (interval, "dim"),
        _LOOKS[metric.verdict],
    ]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
