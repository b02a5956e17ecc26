"""A record as one HTML file that needs nothing else: no network, no other file, no server."""

from __future__ import annotations

import re
import shlex
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape
from msgspec import Struct

from perfloop.records import (
    AdviceRecord,
    CapacityRecord,
    ComparisonRecord,
    DiagnosisRecord,
    LoadRecord,
    PlanRecord,
    ReplayRecord,
    WorkloadRecord,
)
from perfloop.units import format_bytes, format_duration

from . import assets, capacity_pictures, figures, pictures
from .advice import advice_entries, advice_in_words, not_looked_at, not_worth_doing, worth_checking
from .breakdown import parts_of, routes_in_order, slowest_name
from .description import defaults_in_words, plan_in_words, server_count_in_words, slow_request_in_words, warm_up_note
from .fidelity import fidelity_in_words
from .over_time import over_time
from .plan import explained_in_words, node_title, plan_rows
from .replay import HEADS, calls_over_time, cells, open_over_time, outage_in_words, replayed_in_words, setting_rows
from .verdict import (
    before,
    capacity_span,
    finding_title,
    gain_in_words,
    latency_of,
    leading_gain,
    verdict,
    waiting_outside,
)
from .workers import HEADS as WORKER_HEADS
from .workers import partial_in_words, worker_row
from .workload import captured_in_words, repeated_in_words, statement_rows

if TYPE_CHECKING:
    from jinja2 import Environment

    from perfloop.records import AnyRecord, Finding, LoadSummary, RouteBreakdown

__all__ = ["render_html"]

_LARGEST_BYTES = 490_000
_PART_WORTH_A_LINE = 0.001
_FIGURE_AND_UNIT = re.compile(r"(?<=\d) (?=(?:[mµn]?s|min|%|times|errors?|requests/s)\b|%)")


class _Limits(Struct, frozen=True):
    """How much of each list and text a page shows; the record has the rest."""

    findings: int
    routes: int
    statements: int
    entries: int
    text: int


# From generous to what keeps the file small whatever the record holds.
_LIMITS = (_Limits(20, 25, 12, 60, 1_500), _Limits(12, 12, 6, 30, 600), _Limits(6, 6, 3, 15, 150))


def render_html(record: AnyRecord) -> str:
    """The record as a self-contained page of less than 500 kB, for light and dark, screen, phone and paper.

    Everything from the record is escaped, and the page's content security policy lets nothing but its own style and
    script run and nothing be loaded.
    """
    page = ""
    for limits in _LIMITS:
        if isinstance(record, LoadRecord):
            page = _render("load", record, _run_view(record), limits)
        elif isinstance(record, DiagnosisRecord):
            page = _render("diagnosis", record, _diagnosis_view(record, limits), limits)
        elif isinstance(record, CapacityRecord):
            page = _render("capacity", record, _capacity_view(record), limits)
        elif isinstance(record, AdviceRecord):
            page = _render("advice", record, _advice_view(record, limits), limits)
        elif isinstance(record, PlanRecord):
            page = _render("plan", record, _plan_view(record, limits), limits)
        elif isinstance(record, ReplayRecord):
            page = _render("replay", record, _replay_view(record, limits), limits)
        elif isinstance(record, WorkloadRecord):
            page = _render("workload", record, _workload_view(record, limits), limits)
        else:
            page = _render("comparison", record, _comparison_view(record), limits)
        if len(page.encode()) <= _LARGEST_BYTES:
            break
    return page


def _render(kind: str, record: AnyRecord, view: dict[str, Any], limits: _Limits) -> str:
    environment, style, script = _environment(limits.text)
    return environment.get_template(f"{kind}.html.j2").render(
        kind={"load": "load test"}.get(kind, kind),
        record=record,
        said=verdict(record),
        stamp=_stamp(record),
        created=_moment(record.created),
        command=[shlex.quote(word) for word in record.command],
        policy=assets.content_policy(style, script),
        style=style,
        script=script,
        most=limits.entries,
        **view,
    )


@cache
def _environment(longest_text: int) -> tuple[Environment, Markup, Markup]:
    """The templates with the page's style and script, read once."""
    environment = assets.templates(finalize=partial(_shown, longest=longest_text))
    environment.globals.update(
        bytes=format_bytes,
        change=figures.change,
        defaults_in_words=defaults_in_words,
        PHASE_NAMES=figures.PHASE_NAMES,
        count=figures.count,
        events_in_words=figures.events_in_words,
        fidelity_words=fidelity_in_words,
        server_words=server_count_in_words,
        gain=gain_in_words,
        interval=figures.interval,
        latency_of=latency_of,
        ms=figures.milliseconds,
        number=figures.number,
        part_css=pictures.part_css,
        partial_words=partial_in_words,
        plural=figures.plural,
        raw=lambda text: escape(text),
        seconds=format_duration,
        sentence=figures.sentence,
        share=figures.share,
        slow_words=lambda request: " · ".join(slow_request_in_words(request)[:-1]),
        small_share=figures.small_share,
        spaced=figures.spaced,
        span=figures.span,
        tie=_tie,
        with_unit=figures.with_unit,
        worker_row=worker_row,
        WORKER_HEADS=WORKER_HEADS,
    )
    return environment, assets.style(), assets.script("script.js")


def _shown(value: Any, longest: int) -> Any:
    """What a template prints: text from a record is made safe to read and cut where it would fill the page."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value if value.isspace() else figures.shorten(figures.clean(value), longest)
    return value


def _tie(text: str) -> str:
    """A figure and its unit never stand on two lines."""
    return _FIGURE_AND_UNIT.sub("\u00a0", figures.clean(text))


def _moment(created: str) -> str:
    try:
        return f"{datetime.fromisoformat(created):%-d %B %Y, %H:%M %Z}"
    except ValueError:
        return created


def _stamp(record: AnyRecord) -> str:
    if isinstance(record, ComparisonRecord):
        return {"faster": "B is faster", "slower": "B is slower"}.get(record.verdict, record.verdict)
    if isinstance(record, CapacityRecord):
        stamps = {"found": "Found", "at least": "At least", "never met": "Never met"}
        return stamps.get(record.verdict, "Not enough data")
    if isinstance(record, AdviceRecord):
        return "Advice" if advice_entries(record) else "Nothing to do"
    if isinstance(record, PlanRecord):
        return "Executed" if record.analyzed else "Planned"
    if isinstance(record, ReplayRecord):
        if record.chosen is None:
            return figures.sentence(record.verdict)
        return "Outages missed" if record.results[record.chosen].outages_missed else "Chosen"
    if isinstance(record, WorkloadRecord):
        return "N+1" if record.n_plus_one else "Captured"
    if not record.summary.trustworthy:
        return "Untrustworthy"
    if isinstance(record, DiagnosisRecord):
        if record.findings:
            return "Bottleneck"
        if not record.summary.requests:
            return "Nothing measured"
        return "Waiting" if waiting_outside(record)[0] else "Healthy"
    if any(threshold.failed for threshold in record.thresholds):
        return "Failed"
    if record.summary.errors:
        return "With errors"
    return "Passed" if record.thresholds else "Measured"


def _run_view(record: LoadRecord | DiagnosisRecord) -> dict[str, Any]:
    summary, results = record.summary, record.results
    charts: dict[str, Any] = {
        "latency": pictures.latency_over_time(results, summary),
        "percentiles": pictures.percentile_curve(results),
        "throughput": pictures.throughput_over_time(results, summary),
    }
    return {
        "summary": summary,
        "charts": charts,
        "plan_words": " · ".join([*plan_in_words(record.plan), *warm_up_note(summary)]),
        "step_words": _step_words(record),
    }


def _step_words(record: LoadRecord | DiagnosisRecord) -> str:
    step = over_time(record.results.series, record.summary.run_seconds).step_seconds
    if step == 1:
        return "Of the requests that finished in each second"
    return f"Each point covers {step} seconds: the mean of their p50, the worst of their p99"


def _diagnosis_view(record: DiagnosisRecord, limits: _Limits) -> dict[str, Any]:
    view = _run_view(record)
    view["charts"] |= {"curve": pictures.load_curve(record), "curve_latency": pictures.latency_curve(record)}
    routes = routes_in_order(record)
    return view | {
        "service_command": shlex.join(record.service.command),
        "findings": [_finding_view(record, finding) for finding in record.findings[: limits.findings]],
        "hidden_findings": max(len(record.findings) - limits.findings, 0),
        "routes": [_route_view(route, limits.statements) for route in routes[: limits.routes]],
        "hidden_routes": max(len(routes) - limits.routes, 0),
    }


def _finding_view(record: DiagnosisRecord, finding: Finding) -> dict[str, Any]:
    return {
        "finding": finding,
        "title": finding_title(finding),
        "before": before(record, finding),
        "leading": leading_gain(record, finding),
        "gain": pictures.gain_bars(record, finding),
    }


def _route_view(route: RouteBreakdown, most: int) -> dict[str, Any]:
    statements = sorted(route.statements, key=lambda statement: -statement.total_ms)
    return {
        "route": route,
        "bars": pictures.breakdown_bars(route),
        "parts": parts_of(route, least=_PART_WORTH_A_LINE),
        "slowest": slowest_name(route),
        "statements": statements[:most],
        "hidden_statements": max(len(statements) - most, 0),
    }


def _capacity_view(record: CapacityRecord) -> dict[str, Any]:
    return {
        "summary": None,
        "charts": {"curve": capacity_pictures.latency_by_rate(record), "usl": capacity_pictures.scalability(record)},
        "seconds_of_probes": sum(probe.seconds + probe.recovery_seconds for probe in record.probes),
        "span": capacity_span(record),
    }


def _plan_view(record: PlanRecord, limits: _Limits) -> dict[str, Any]:
    nodes, rows = record.nodes, plan_rows(record)
    titles = [
        "The statement as a whole" if problem.node is None else node_title(nodes[problem.node])
        for problem in record.problems
    ]
    judged = [
        (problem, title, problem.node == record.worst) for problem, title in zip(record.problems, titles, strict=True)
    ]
    most = 10 * limits.routes
    return {
        "summary": None,
        "charts": {},
        "problems": judged[: limits.findings],
        "rows": rows[:most],
        "hidden_rows": max(len(rows) - most, 0),
        "has_own": any(row.own for row in rows),
        "has_rows": any(row.estimated for row in rows),
        "has_actual": any(row.actual for row in rows),
        "plan_words": explained_in_words(record),
        "guide": lambda text: Markup(escape(text)),  # noqa: S704  # our own drawing; its spaces must stay
    }


def _advice_view(record: AdviceRecord, limits: _Limits) -> dict[str, Any]:
    entries = advice_entries(record)
    most = 2 * limits.findings
    notes = [*record.notes, *(record.indexes.notes if record.indexes is not None else [])]
    lists = (
        ("Worth checking", worth_checking(record)),
        ("Not worth doing", not_worth_doing(record)),
        ("Not looked at", not_looked_at(record)),
        ("Notes", notes),
    )
    return {
        "summary": None,
        "charts": {},
        "words": advice_in_words(record),
        "entries": entries[:most],
        "hidden": max(len(entries) - most, 0),
        "lists": lists,
    }


def _workload_view(record: WorkloadRecord, limits: _Limits) -> dict[str, Any]:
    rows = statement_rows(record)
    most = 4 * limits.routes
    return {
        "summary": None,
        "charts": {},
        "captured_words": captured_in_words(record),
        "repeated": [(found, repeated_in_words(found)) for found in record.n_plus_one[: limits.findings]],
        "rows": rows[:most],
        "hidden_rows": max(len(rows) - most, 0),
        "has_times": any(row.total for row in rows),
    }


def _replay_view(record: ReplayRecord, limits: _Limits) -> dict[str, Any]:
    rows = setting_rows(record)
    return {
        "summary": None,
        "charts": {
            "calls": calls_over_time(record),
            "open": open_over_time(record, rows[: limits.statements]),
        },
        "replayed_words": replayed_in_words(record),
        "heads": HEADS,
        "cells": cells,
        "rows": rows[: limits.entries],
        "hidden_rows": max(len(rows) - limits.entries, 0),
        "outages": [outage_in_words(each) for each in record.outages[: limits.entries]],
    }


def _comparison_view(record: ComparisonRecord) -> dict[str, Any]:
    summary: LoadSummary | None = None
    return {"summary": summary, "charts": {"intervals": pictures.comparison_intervals(record)}}
