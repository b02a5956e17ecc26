"""The terminal report of a capacity search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.units import format_duration

from .. import figures
from ..verdict import capacity_span, verdict
from .load import MARKS, STYLES
from .paper import Cell, Paper, bar, joined

if TYPE_CHECKING:
    from perfloop.records import CapacityPoint, CapacityRecord, UslFit

__all__ = ["print_capacity"]

_POINTS_SHOWN = 24


def print_capacity(record: CapacityRecord, paper: Paper) -> None:
    """Print a capacity search."""
    paper.blank()
    paper.line(("perfloop capacity", "bold"), "  ", figures.clean(record.target))
    seconds = sum(probe.seconds + probe.recovery_seconds for probe in record.probes)
    words = [
        f"{record.plan.arrival or 'constant'} arrivals",
        f"{figures.plural(len(record.probes), 'probe')} in {format_duration(seconds)}",
        f"at most {figures.plural(record.plan.connections, 'connection')}",
    ]
    paper.line((" · ".join(words), "dim"))
    if record.partial:
        paper.blank()
        paper.block("INTERRUPTED  the answer rests on the probes done until then", [], "yellow")
    _print_curve(record, paper)
    paper.blank()
    rows: list[tuple[str, str]] = [("targets", joined(figures.clean(goal) for goal in record.goals))]
    if record.capacity_rps is not None:
        rows.append(("capacity", f"{figures.per_second(record.capacity_rps[1])} ({capacity_span(record)})"))
    if record.highest_met_rps is not None:
        rows.append(("highest met", figures.per_second(record.highest_met_rps)))
    rows.append(
        ("scalability", _law(record.usl) if record.usl else f"no fit: {figures.clean(record.usl_missing or '')}")
    )
    for label, text in rows:
        paper.hanging((label, "bold"), text)
    if record.reasons:
        paper.blank()
        for reason in record.reasons:
            paper.hanging(("·", "dim"), figures.clean(reason), label_width=2)
    said = verdict(record)
    paper.blank()
    paper.hanging((MARKS[said.tone], STYLES[said.tone]), (said.headline, STYLES[said.tone]), label_width=2)


def _print_curve(record: CapacityRecord, paper: Paper) -> None:
    points = record.curve
    if not points:
        return
    # The points around the answer matter: what is left out lies furthest below.
    hidden, shown = points[: max(len(points) - _POINTS_SHOWN, 0)], points[-_POINTS_SHOWN:]
    paper.blank()
    heads: list[Cell] = [(head, "dim") for head in ("asked", "answered", "p50", "p99", "", "targets")]
    worst = max((point.p99_ms for point in shown), default=0.0)
    rows = [_row(point, worst) for point in shown]
    paper.table([heads, *rows], ">>>><<")
    if any(point.ended_early and not point.met for point in shown):
        paper.line(("ended early: missed beyond doubt; its figures are of the time until then", "dim"))
    if hidden:
        paper.line((f"… and {figures.plural(len(hidden), 'lower rate')}", "dim"))


def _row(point: CapacityPoint, worst_ms: float) -> list[Cell]:
    if point.met == point.probes:
        judged: Cell = ("✓ met", "green")
    elif point.met:
        judged = (f"met {point.met} of {point.probes}", "yellow")
    else:
        early = ", ended early" if point.ended_early else ""
        judged = (f"✗ missed{early}", "red") if point.missed else ("? too few samples", "yellow")
    return [
        f"{figures.number(point.rate)}/s",
        f"{figures.number(point.throughput)}/s",
        figures.milliseconds(point.p50_ms),
        figures.milliseconds(point.p99_ms),
        (bar(point.p99_ms / worst_ms if worst_ms else 0.0, 16), "cyan"),
        judged,
    ]


def _law(fit: UslFit) -> str:
    at = "" if fit.peak_in_flight is None else f" with {figures.number(fit.peak_in_flight)} in flight"
    name = "limit" if fit.peak_in_flight is None else "peak"
    return (
        f"σ {figures.number(fit.contention)}, κ {figures.number(fit.coherency)}, predicted {name} "
        f"{figures.per_second(fit.peak_rate[1])}{at} ({figures.interval(fit.peak_rate)}, 90 %)"
    )
