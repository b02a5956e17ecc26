"""The terminal report of a diagnosis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import figures
from ..breakdown import parts_of, routes_in_order, slowest_name
from ..description import plan_in_words
from ..knee import knee
from ..verdict import before, finding_title, latency_of, leading_gain, verdict
from .load import STYLES, print_notices, print_targets
from .paper import Cell, Paper, bar, joined, sparkline, tie

if TYPE_CHECKING:
    from perfloop.records import DiagnosisRecord, Finding, Place, RouteBreakdown

__all__ = ["print_diagnosis"]

_FINDINGS_SHOWN = 10
_NOTES_SHOWN = 20
_LONGEST_TEXT = 800
_ROUTES_SHOWN = 5
_STATEMENTS_SHOWN = 3
# A part is worth a line from this share of the time on, in either group.
_PART_WORTH_SHOWING = 0.005


def print_diagnosis(record: DiagnosisRecord, paper: Paper) -> None:
    """Print a diagnosis."""
    paper.blank()
    _print_head(record, paper)
    print_notices(record, record.summary, paper)
    if record.summary.trustworthy or record.findings:
        paper.blank()
    if record.findings:
        _print_finding(record, record.findings[0], paper)
        _print_further(record, paper)
    elif record.summary.trustworthy:
        _print_healthy(record, paper)
    for route in routes_in_order(record)[:_ROUTES_SHOWN]:
        paper.blank()
        _print_route(route, paper)
    if len(record.routes) > _ROUTES_SHOWN:
        paper.blank()
        paper.line((f"… and {figures.plural(len(record.routes) - _ROUTES_SHOWN, 'more route')}", "dim"))
    print_targets(record.targets, paper)
    if record.notes:
        paper.blank()
        for note in record.notes[:_NOTES_SHOWN]:
            paper.hanging(("note", "dim"), (_text(note), "dim"))
        if len(record.notes) > _NOTES_SHOWN:
            paper.hanging("", (f"… and {len(record.notes) - _NOTES_SHOWN} more", "dim"))


def _print_head(record: DiagnosisRecord, paper: Paper) -> None:
    service = record.service
    paper.line(("perfloop diagnose", "bold"), "  ", figures.clean(" ".join(service.command)))
    words = [figures.clean(service.url), tie(figures.plural(service.processes, "process", "processes"))]
    words += [tie(figures.clean(framework)) for framework in service.frameworks]
    if service.python:
        words.append(tie(f"Python {figures.clean(service.python)}"))
    paper.hanging(("service", "dim"), (joined(words), "dim"))
    if record.curve:
        low, high = record.curve[0].in_flight, record.curve[-1].in_flight
        bend = knee(record.curve)
        at = f" · knee at {bend.in_flight}" if bend else ""
        paper.hanging(
            ("load curve", "dim"),
            (sparkline([point.rate for point in record.curve], 20), "cyan"),
            (f"  {low} → {high} in flight{at} · capacity {figures.per_second(record.capacity_rps)}", "dim"),
        )
    plan = record.plan
    words = [tie(word) for word in plan_in_words(plan)]
    words += [
        tie(figures.clean(request)) if len(request) < 40 else figures.clean(request) for request in plan.requests[:4]
    ]
    if len(plan.requests) > 4:
        words.append(f"and {len(plan.requests) - 4} more")
    errors = figures.plural(record.summary.errors, "error")
    paper.hanging(
        ("judged at", "dim"),
        (joined([*words, ""]), "dim"),
        (tie(errors), "bold red" if record.summary.errors else "dim"),
    )


def _print_finding(record: DiagnosisRecord, finding: Finding, paper: Paper) -> None:
    gain = leading_gain(record, finding)
    share = f"{figures.share(gain.share)} {gain.of}"
    title = finding_title(finding)
    if 13 + len(title) + 2 + len(share) + 2 <= paper.width:
        paper.line(("BOTTLENECK", "bold red"), "   ", (title, "bold"), right=(share, "bold red"))
    else:
        paper.hanging(("BOTTLENECK", "bold red"), (title, "bold"), "  ", (share, "bold red"))
    _print_place("where", finding.place, paper)
    if finding.loop is not None:
        _print_place("loop", finding.loop, paper)
    paper.hanging(("evidence", "bold"), _text(finding.evidence))
    paper.hanging(("fix", "bold"), (_text(finding.fix), "green"))
    paper.hanging(("cost", "bold"), _text(finding.cost))
    now = before(record, finding)
    after = finding.predicted
    rows = [
        ("p50", figures.change(now.p50_ms, after.p50_ms, "ms")),
        ("p99", figures.change(now.p99_ms, after.p99_ms, "ms")),
        ("capacity", figures.change(now.capacity_rps, after.capacity_rps, "requests/s")),
    ]
    for name, text in rows:
        leads = name == gain.name
        paper.hanging(
            ("predicted", "bold") if name == "p50" else "",
            (name.ljust(10), "bold" if leads else ""),
            (text, "bold green" if leads else ""),
        )
    for other in finding.others:
        change = figures.change(latency_of(record, other.route).p99, other.p99_ms, "ms")
        leads = gain.name == f"p99 of {other.route}"
        paper.hanging("", f"{figures.clean(other.route)}  p99 ", (change, "bold green" if leads else "green"))


def _print_place(label: str, place: Place, paper: Paper) -> None:
    source: list[Cell] = []
    if place.source:
        line = figures.clean(place.source)
        source = [": ", (tie(line) if len(line) <= paper.width - 15 else line, "italic")]
    paper.hanging(
        (label, "bold"),
        (f"{figures.clean(place.file)}:{place.line}", "cyan"),
        f"  in {figures.clean(place.function)}",
        *source,
    )


def _print_further(record: DiagnosisRecord, paper: Paper) -> None:
    for rank, finding in enumerate(record.findings[1:_FINDINGS_SHOWN], start=2):
        leading = leading_gain(record, finding)
        gain = f"{leading.name} {figures.change(leading.before, leading.after, leading.unit).partition(' (')[0]}"
        paper.blank()
        label: Cell = ("then", "bold") if rank == 2 else ""
        title = f"{rank}  {finding_title(finding)}"
        if 13 + len(title) + 2 + len(gain) + 2 <= paper.width:
            start = label[0] if isinstance(label, tuple) else ""
            paper.line((start.ljust(13), "bold"), (title, "bold"), right=(gain, "green"))
        else:
            paper.hanging(label, (title, "bold"))
            paper.hanging("", (gain, "green"), label_width=16)
        place = finding.place
        paper.hanging(
            "",
            (f"{figures.clean(place.file)}:{place.line}", "cyan"),
            f"  in {figures.clean(place.function)}",
            label_width=16,
        )
        paper.hanging("", _text(finding.fix), label_width=16)
    if len(record.findings) > _FINDINGS_SHOWN:
        paper.blank()
        paper.hanging("", f"… and {len(record.findings) - _FINDINGS_SHOWN} more")


def _text(text: str) -> str:
    return figures.shorten(figures.clean(text), _LONGEST_TEXT)


def _print_healthy(record: DiagnosisRecord, paper: Paper) -> None:
    said = verdict(record)
    mark = "✓" if said.tone == "good" else "!"
    paper.hanging((f"{mark} HEALTHY" if said.tone == "good" else mark, STYLES[said.tone]), (said.headline, "bold"))


def _print_route(route: RouteBreakdown, paper: Paper) -> None:
    name = figures.clean(route.route)
    bars = max(10, paper.width - 62)
    rows: list[list[Cell]] = [[(name, "bold"), ("typical", "dim"), "", (slowest_name(route), "dim"), "", ""]]
    rows += [
        [
            part.name,
            figures.milliseconds(part.typical_ms),
            figures.small_share(part.typical_share),
            figures.milliseconds(part.slowest_ms),
            figures.small_share(part.slowest_share),
            (bar(part.slowest_share, bars), "magenta"),
        ]
        for part in parts_of(route, least=_PART_WORTH_SHOWING)
    ]
    total: list[Cell] = [
        (f"{figures.plural(route.requests, 'request')}", "dim"),
        (figures.milliseconds(route.typical.mean_ms), "dim"),
        "",
        (figures.milliseconds(route.slowest.mean_ms), "dim"),
        "",
        "",
    ]
    paper.table([*rows, total], "<>>>><")
    for statement in sorted(route.statements, key=lambda entry: -entry.total_ms)[:_STATEMENTS_SHOWN]:
        times = f"{figures.number(statement.per_request)} ×"
        mean = figures.milliseconds(statement.mean_ms)
        paper.line((f"{times:>8} {mean:>8}", "dim"), "  ", figures.clean(statement.sql))
