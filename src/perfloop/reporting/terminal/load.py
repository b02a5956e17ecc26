"""The terminal report of a load test, and the parts of it that a diagnosis shows too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.units import format_bytes, format_duration

from .. import figures
from ..description import (
    defaults_in_words,
    plan_in_words,
    server_count_in_words,
    slow_request_in_words,
    warm_up_in_words,
)
from ..fidelity import fidelity_in_words
from ..over_time import over_time
from ..verdict import verdict
from ..workers import HEADS as WORKER_HEADS
from ..workers import partial_in_words, worker_row
from .paper import Cell, Paper, sparkline, tie

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import (
        DiagnosisRecord,
        Figures,
        LoadRecord,
        LoadSummary,
        SlowRequest,
        TargetResult,
        Threshold,
        WorkerResult,
    )

__all__ = ["MARKS", "STYLES", "print_load", "print_notices", "print_targets", "print_verdict"]

STYLES = {"good": "bold green", "bad": "bold red", "warning": "bold yellow", "neutral": "bold"}
_ERRORS_SHOWN = 20
_SLOWEST_SHOWN = 5
_PARTS_SHOWN = 20
_LONGEST_TEXT = 400
MARKS = {"good": "✓", "bad": "✗", "warning": "!", "neutral": "·"}


def print_load(record: LoadRecord, paper: Paper) -> None:
    """Print a load test."""
    paper.blank()
    paper.line(("perfloop load", "bold"), "  ", figures.clean(record.target))
    plan = " · ".join([*plan_in_words(record.plan), f"timeout {format_duration(record.plan.timeout_seconds)}"])
    paper.hanging("", (plan, "dim"), label_width=0)
    if record.plan.requests and not _is_plain(record):
        for request in record.plan.requests[:8]:
            paper.line((figures.clean(request), "dim"), indent=4)
        if len(record.plan.requests) > 8:
            paper.line((f"… and {len(record.plan.requests) - 8} more", "dim"), indent=4)
    print_notices(record, record.summary, paper)
    paper.blank()
    _print_counts(record, paper)
    if record.summary.requests:
        paper.blank()
        _print_latencies(record, paper)
        paper.blank()
        _print_series(record, paper)
    results = record.results
    _print_parts(
        ("endpoints", "requests", "errors"),
        [(each.label, each.requests, each.errors, each.latency_ms) for each in results.endpoints],
        paper,
    )
    _print_parts(
        ("journeys and groups", "ended", "failed"),
        [(each.name, each.count, each.failed, each.time_ms) for each in results.groups],
        paper,
    )
    _print_workers(results.workers, paper)
    _print_slowest(record.results.slowest, paper)
    if record.fidelity is not None:
        paper.blank()
        for number, line in enumerate(fidelity_in_words(record.fidelity)):
            paper.hanging(("" if number else "imported", "bold"), line if number < 2 else (line, "dim"), label_width=11)
    if record.thresholds:
        paper.blank()
        _print_thresholds(record.thresholds, paper)
    print_targets(record.targets, paper)
    print_verdict(record, paper)


def _is_plain(record: LoadRecord) -> bool:
    """One GET of the target itself: naming it again says nothing."""
    requests = record.plan.requests
    return len(requests) == 1 and requests[0].startswith("GET /") and record.target.endswith(requests[0][4:])


def print_notices(record: LoadRecord | DiagnosisRecord, summary: LoadSummary, paper: Paper) -> None:
    """Print what must be known before any figure is read: partial, untrustworthy."""
    if not summary.trustworthy:
        paper.blank()
        reasons = [figures.clean(reason) for reason in summary.reasons] or ["no reason was recorded"]
        paper.block("UNTRUSTWORTHY  do not use these figures", reasons, "yellow")
    if record.partial:
        what, covers = partial_in_words(record)
        paper.blank()
        paper.block(f"{what.upper()}  {covers}", [], "yellow")


def print_verdict(record: LoadRecord, paper: Paper) -> None:
    """Print the last line."""
    paper.blank()
    said = verdict(record)
    paper.hanging((MARKS[said.tone], STYLES[said.tone]), (said.headline, STYLES[said.tone]), label_width=2)


def _print_counts(record: LoadRecord, paper: Paper) -> None:
    summary = record.summary
    width = max(len(figures.count(summary.requests)), len(figures.number(summary.rate)))
    paper.line(
        ("requests", "bold"),
        "   ",
        figures.count(summary.requests).rjust(width),
        f"   in {format_duration(summary.elapsed_seconds)}",
    )
    paper.line(("rate", "bold"), "       ", figures.number(summary.rate).rjust(width), " requests/s")
    if summary.warm_up_seconds:
        paper.hanging(("warm-up", "bold"), (warm_up_in_words(summary), "dim"), label_width=11)
    error_style = "bold red" if summary.errors else "green"
    paper.line(
        ("errors", "bold"),
        "     ",
        (figures.count(summary.errors).rjust(width), error_style),
        f"   {figures.share(summary.error_share)} of the requests" if summary.all_requests else "",
    )
    for kind in record.results.error_kinds[:_ERRORS_SHOWN]:
        paper.hanging(
            (figures.count(kind.count).rjust(width), "red"),
            (figures.clean(kind.kind), "bold"),
            "  ",
            figures.shorten(figures.clean(kind.example), _LONGEST_TEXT),
            label_width=width + 3,
            indent=13,
        )
    if record.server_count is not None:
        words = server_count_in_words(record.server_count)
        paper.hanging(("server", "bold"), words, label_width=11)
    if record.results.statuses:
        spans: list[Cell] = []
        for status, times in sorted(record.results.statuses.items()):
            style = "red" if status[:1] in ("4", "5") else ""
            spans += [(figures.clean(status), style), tie(f" × {figures.count(times)}") + "   "]
        paper.hanging(("statuses", "bold"), *spans, label_width=11)
    for number, happened in enumerate(figures.events_in_words(record.results.events[:_ERRORS_SHOWN])):
        text = figures.shorten(happened, _LONGEST_TEXT)
        paper.hanging(("" if number else "events", "bold"), (text, "dim"), label_width=11)
    paper.line(
        ("received", "bold"), f"   {format_bytes(summary.bytes_received)} · {format_bytes(summary.bytes_per_second)}/s"
    )


def _print_latencies(record: LoadRecord, paper: Paper) -> None:
    summary = record.summary

    def row(name: str, distribution: Figures, style: str) -> list[Cell]:
        values = [
            distribution.mean,
            distribution.p50,
            distribution.p95,
            distribution.p99,
            distribution.p999,
            distribution.max,
        ]
        return [(name, style), *((figures.milliseconds(value), style) for value in values)]

    heads = ("", "mean", "p50", "p95", "p99", "p99.9", "max")
    paper.table(
        [
            [(head, "dim") for head in heads],
            row("latency", summary.latency_ms, "bold"),
            row("service time", summary.service_time_ms, ""),
            row("queue", summary.queue_ms, ""),
            row("send lag", summary.send_lag_ms, "yellow" if not summary.trustworthy else "dim"),
            *(row(figures.PHASE_NAMES[phase.name], phase.time_ms, "dim") for phase in record.results.phases),
        ],
        "<>>>>>>",
    )


def _print_series(record: LoadRecord, paper: Paper) -> None:
    run = over_time(record.results.series, record.summary.run_seconds)
    rates = [rate for rate in run.rate if rate is not None]
    if len(run.seconds) < 2 or not rates:
        return
    room = max(10, min(paper.width - 46, 60))
    rows: list[list[Cell]] = [
        [
            ("requests/s", "bold"),
            (sparkline(run.rate, room), "cyan"),
            (_range(figures.number(min(rates)), figures.number(max(rates))), "dim"),
        ]
    ]
    tails = [tail for tail in run.p99_ms if tail is not None]
    if tails:
        span = _range(figures.milliseconds(min(tails)), figures.milliseconds(max(tails)))
        rows.append([("p99", "bold"), (sparkline(run.p99_ms, room), "cyan"), (span, "dim")])
    errors = [rate for rate in run.errors if rate]
    if errors:
        most = f"at most {figures.number(max(errors))} a second"
        rows.append([("errors", "bold"), (sparkline(run.errors, room), "red"), (most, "dim")])
    paper.table(rows, "<<<")


def _print_parts(heads: tuple[str, str, str], parts: Sequence[tuple[str, int, int, Figures]], paper: Paper) -> None:
    """A table of what has a name, two counts (how many, and how many of them failed) and times."""
    if not parts:
        return
    paper.blank()
    title, *others = heads
    rows: list[list[Cell]] = [[(title, "bold"), *((head, "dim") for head in (*others, "p50", "p99", "max"))]]
    for name, count, failed, times in parts[:_PARTS_SHOWN]:
        shown = [figures.milliseconds(value) if count else "–" for value in (times.p50, times.p99, times.max)]
        label = figures.shorten(figures.clean(name), max(20, paper.width - 48))
        rows.append([label, figures.count(count), (figures.count(failed), "red" if failed else "dim"), *shown])
    paper.table(rows, "<>>>>>")
    if len(parts) > _PARTS_SHOWN:
        paper.line((f"… and {len(parts) - _PARTS_SHOWN} more, in the record", "dim"))


def _print_workers(workers: Sequence[WorkerResult], paper: Paper) -> None:
    if not workers:
        return
    paper.blank()
    title, *others = WORKER_HEADS
    rows: list[list[Cell]] = [[(f"{title}s", "bold"), *((head, "dim") for head in others)]]
    for worker in workers[:_PARTS_SHOWN]:
        row = worker_row(worker)
        rows.append([(figures.shorten(row.name, max(20, paper.width - 52)), "red" if row.lost else ""), *row[1:-1]])
    paper.table(rows, "<>>>>>")
    if len(workers) > _PARTS_SHOWN:
        paper.line((f"… and {len(workers) - _PARTS_SHOWN} more, in the record", "dim"))


def _print_slowest(slowest: list[SlowRequest], paper: Paper) -> None:
    if not slowest:
        return
    paper.blank()
    paper.line(("slowest", "bold"), ("    look them up where the service's traces are", "dim"))
    shown = slowest[:_SLOWEST_SHOWN]
    for request in shown:
        words = slow_request_in_words(request)
        text = " · ".join(tie(word) for word in words[1:])
        paper.hanging(figures.milliseconds(request.latency_ms), words[0], (f"  {text}", "dim"), label_width=11)
    for trace in dict.fromkeys(request.trace_id for request in shown):
        paper.line(("trace", "dim"), f"      {figures.clean(trace)}")


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _print_thresholds(thresholds: list[Threshold], paper: Paper) -> None:
    paper.table(
        [
            [
                ("✗ FAIL", "bold red") if threshold.failed else ("✓ pass", "green"),
                f"fail if {figures.clean(threshold.expression)}",
                figures.with_unit(threshold.measured, threshold.unit)
                if threshold.measured is not None
                else "not measured",
            ]
            for threshold in thresholds
        ],
        "<<>",
    )


def print_targets(targets: list[TargetResult], paper: Paper) -> None:
    """Print the performance targets, or nothing where there are none."""
    defaults = [target for target in targets if not target.configured]
    if defaults:
        paper.blank()
        paper.hanging(("targets", "dim"), (defaults_in_words(defaults), "dim"))
    targets = [target for target in targets if target.configured]
    if not targets:
        return
    looks: dict[str, tuple[str, str]] = {"met": ("✓ met", "green"), "missed": ("✗ missed", "bold red")}
    paper.blank()
    heads: list[Cell] = [("targets", "bold"), ("measured", "dim"), ("target", "dim"), ""]
    rows: list[list[Cell]] = [
        [
            figures.spaced(target.name).replace(" per second", "/s"),
            figures.with_unit(target.measured, target.unit),
            figures.with_unit(target.target, target.unit),
            looks.get(target.outcome, ("· not measured", "dim")),
        ]
        for target in targets
    ]
    paper.table([heads, *rows], "<>><")
    for target in targets:
        if target.why:
            paper.hanging("", (f"{figures.spaced(target.name)}: {figures.clean(target.why)}", "dim"), label_width=2)
