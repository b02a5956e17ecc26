"""A record as a short piece of Markdown, for a pull request or a job summary."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from perfloop.records import (
    AdviceRecord,
    CapacityRecord,
    DiagnosisRecord,
    LoadRecord,
    PlanRecord,
    ReplayRecord,
    WorkloadRecord,
)

from . import figures
from .advice import advice_entries, advice_in_words, not_worth_doing, worth_checking
from .description import plan_in_words, server_count_in_words, slow_request_in_words, warm_up_note
from .fidelity import fidelity_in_words
from .plan import explained_in_words, node_title, plan_rows
from .replay import HEADS, cells, replayed_in_words, setting_rows
from .verdict import before, finding_title, latency_of, leading_gain, summary_line, verdict
from .workers import HEADS as WORKER_HEADS
from .workers import partial_in_words, worker_row
from .workload import captured_in_words, repeated_in_words, statement_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import (
        AnyRecord,
        ComparisonRecord,
        Finding,
        LoadSummary,
        PhaseTime,
        Place,
        RouteGain,
        TargetResult,
    )

__all__ = ["render_markdown"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>~&])")
# At the beginning of a line: a heading, a list, a line below a heading.
_BLOCK = re.compile(r"^(\d*)([#+=.)-](?=\s|$|=|-))")
# Code hosts turn these into mentions, references and links after Markdown has been read, so escapes do not help there:
# a zero-width space does.
_CALLS = re.compile(r"(?:[@#](?=\w)|(?<=\w)(?=://)|\bwww(?=\.))")
_MARKS = {"good": "✅", "bad": "❌", "warning": "⚠️", "neutral": "➖"}
_LONGEST_TEXT = 300
# A bar inside a table's cell.
_BAR = "\\|"
_ENTRIES_SHOWN = 5
_POINTS_SHOWN = 15
_NODES_SHOWN = 60


def render_markdown(record: AnyRecord) -> str:
    """The record in GitHub-flavoured Markdown: the verdict, then the figures that carry it.

    Text from the service cannot become markup, a mention or a link.
    """
    said = verdict(record)
    parts = [f"### {_MARKS[said.tone]} {_text(summary_line(record))}"]
    if record.partial:
        what, covers = partial_in_words(record)
        parts.append(f"> **{what}**: {covers}.")
    if isinstance(record, LoadRecord):
        parts += _load(record)
    elif isinstance(record, DiagnosisRecord):
        parts += _diagnosis(record)
    elif isinstance(record, CapacityRecord):
        parts += _capacity(record)
    elif isinstance(record, AdviceRecord):
        parts += _advice(record)
    elif isinstance(record, PlanRecord):
        parts += _plan(record)
    elif isinstance(record, ReplayRecord):
        parts += _replay(record)
    elif isinstance(record, WorkloadRecord):
        parts += _workload(record)
    else:
        parts += _comparison(record)
    machine = record.environment
    parts.append(
        f"<sub>perfloop {_text(record.perfloop)} · {_text(record.created)} · {_text(machine.implementation)} "
        f"{_text(machine.python)} · {figures.plural(machine.cpu_count, 'processor')}</sub>"
    )
    return "\n\n".join(parts) + "\n"


def _load(record: LoadRecord) -> list[str]:
    parts = [
        f"{_code(record.target)} · {_text(' · '.join([*plan_in_words(record.plan), *warm_up_note(record.summary)]))}",
        *_untrustworthy(record.summary),
    ]
    if record.thresholds:
        parts.append(
            _table(
                ("Threshold", "Measured", "Result"),
                [
                    (
                        f"fail if {_code(threshold.expression)}",
                        _value(threshold.measured, threshold.unit),
                        "❌ failed" if threshold.failed else "✅ passed",
                    )
                    for threshold in record.thresholds
                ],
            )
        )
    if record.summary.requests:
        parts.append(_latencies(record.summary, record.results.phases))
    if record.server_count is not None:
        parts.append(f"Server: {_text(server_count_in_words(record.server_count))}.")
    if record.fidelity is not None:
        parts.append("\n".join(f"- {_text(line)}" for line in fidelity_in_words(record.fidelity)))
    errors = [
        f"- {figures.count(error.count)} × **{_text(error.kind)}**: {_text(error.example)}"
        for error in record.results.error_kinds[:_ENTRIES_SHOWN]
    ]
    listed = ["\n".join(errors)] if errors else []
    return [*parts, *_parts(record), *_workers(record), *listed, *_slowest(record), *_targets(record.targets)]


def _advice(record: AdviceRecord) -> list[str]:
    parts = [f"{_code(record.database)} · {_text(advice_in_words(record))}"]
    for number, entry in enumerate(advice_entries(record)[:_POINTS_SHOWN], 1):
        lines = [
            f"**{number}. {_text(figures.sentence(entry.title))}**{f' – {_text(entry.gain)}' if entry.gain else ''}"
        ]
        lines += [f"- {_text(line)}" for line in (entry.why, *entry.proof[:_ENTRIES_SHOWN]) if line]
        lines += [f"- costs: {_text(line)}" for line in entry.costs[:_ENTRIES_SHOWN]]
        lines += [f"- {_code(line)}" for line in entry.do[:_ENTRIES_SHOWN]]
        parts.append("\n".join([lines[0], "", *lines[1:]]))
    for title, found in (("Worth checking:", worth_checking(record)), ("Not worth doing:", not_worth_doing(record))):
        if found:
            parts += [title, "\n".join(f"- {_text(line)}" for line in found[:_ENTRIES_SHOWN])]
    return parts


def _plan(record: PlanRecord) -> list[str]:
    rows = plan_rows(record)
    drawn = "\n".join(
        f"{row.guide}{row.title}" + "".join(f"  {words}" for words in (row.own, row.loops) if words)
        for row in rows[:_NODES_SHOWN]
    )
    nodes = record.nodes
    problems = [
        f"- **{_text('the statement' if each.node is None else node_title(nodes[each.node]))}**: {_text(each.words)}. "
        f"{_text(figures.sentence(each.advice))}."
        for each in record.problems[:_ENTRIES_SHOWN]
    ]
    notes = [f"- {_text(note)}" for note in record.notes[:_ENTRIES_SHOWN]]
    fence = "````"
    return [
        f"{_code(record.database)} · {_text(explained_in_words(record))}",
        f"{fence}text\n{drawn.replace('`', 'ˋ')}\n{fence}",
        *(["\n".join(problems)] if problems else []),
        *(["\n".join(notes)] if notes else []),
    ]


def _workers(record: LoadRecord) -> list[str]:
    rows = [
        (_text(row.name), *row[1:-1], "" if row.lost is None else f"**{_text(row.lost)}**")
        for row in map(worker_row, record.results.workers[:_POINTS_SHOWN])
    ]
    return [_table((*(head.capitalize() for head in WORKER_HEADS), ""), rows)] if rows else []


def _parts(record: LoadRecord) -> list[str]:
    endpoints = [(each.label, each.requests, each.errors, each.latency_ms) for each in record.results.endpoints]
    groups = [(each.name, each.count, each.failed, each.time_ms) for each in record.results.groups]
    return [
        _table(
            (*heads, "p50", "p99", "Max"),
            [
                (
                    _code(name),
                    figures.count(count),
                    figures.count(failed),
                    *(figures.milliseconds(value) if count else "–" for value in (times.p50, times.p99, times.max)),
                )
                for name, count, failed, times in entries[:_ENTRIES_SHOWN]
            ],
        )
        for heads, entries in (
            (("Endpoint", "Requests", "Errors"), endpoints),
            (("Journey or group", "Ended", "Failed"), groups),
        )
        if entries
    ]


def _slowest(record: LoadRecord) -> list[str]:
    rows = [
        (
            figures.milliseconds(request.latency_ms),
            _code(request.request),
            _text(" · ".join(slow_request_in_words(request)[1:-1])),
            _code(request.trace_id),
            _code(request.span_id),
        )
        for request in record.results.slowest[:_ENTRIES_SHOWN]
    ]
    return [_table(("Slowest", "Request", "", "Trace", "Span"), rows)] if rows else []


def _diagnosis(record: DiagnosisRecord) -> list[str]:
    plan = record.plan
    parts = [
        f"{_code(' '.join(record.service.command))} · {_text(' · '.join(plan_in_words(plan)))}",
        *([", ".join(_code(request) for request in plan.requests[:_ENTRIES_SHOWN])] if plan.requests else []),
        *_untrustworthy(record.summary),
    ]
    if record.findings:
        rows = [_finding_row(record, finding) for finding in record.findings[:_ENTRIES_SHOWN]]
        parts.append(_table(("Bottleneck", "Where", "p99", "Capacity, requests/s", "Fix"), rows))
        parts += [
            f"**Other routes**: {_text('; '.join(_other(record, gain) for gain in finding.others))}"
            for finding in record.findings[:1]
            if finding.others
        ]
        if len(record.findings) > _ENTRIES_SHOWN:
            parts.append(f"… and {len(record.findings) - _ENTRIES_SHOWN} more.")
        parts.append(f"**Evidence**: {_text(record.findings[0].evidence)}")
        parts.append(f"**Cost of the fix**: {_text(record.findings[0].cost)}")
    elif record.summary.requests:
        parts.append(_latencies(record.summary, record.results.phases))
    parts += _targets(record.targets)
    if record.notes:
        parts.append("\n".join(f"- {_text(note)}" for note in record.notes[:_ENTRIES_SHOWN]))
    return parts


def _other(record: DiagnosisRecord, gain: RouteGain) -> str:
    return f"{gain.route} p99 {figures.change(latency_of(record, gain.route).p99, gain.p99_ms, 'ms')}"


def _finding_row(record: DiagnosisRecord, finding: Finding) -> tuple[str, ...]:
    now, gain = before(record, finding), leading_gain(record, finding)
    return (
        f"**{_text(finding_title(finding))}**, {figures.share(gain.share)} {gain.of}",
        _place(finding.place),
        figures.change(now.p99_ms, finding.predicted.p99_ms, "ms"),
        figures.change(now.capacity_rps, finding.predicted.capacity_rps, "").replace("  ", " "),
        _text(finding.fix),
    )


def _comparison(record: ComparisonRecord) -> list[str]:
    rows = []
    for metric in record.metrics:
        ratio = "–"
        if metric.ratio is not None:
            ratio = f"{metric.ratio[1]:.2f} ({metric.ratio[0]:.2f}–{metric.ratio[2]:.2f})"
        words = f"**{metric.verdict}**" if metric.verdict in ("faster", "slower") else metric.verdict
        values = (_value(metric.a, metric.unit), _value(metric.b, metric.unit))
        rows.append((_text(figures.spaced(metric.metric)), *values, ratio, words))
    return [
        f"A: {_code(record.a)}<br>B: {_code(record.b)}",
        _table(("Metric", "A", "B", "B ÷ A", "B is"), rows),
        *(f"> {_text(reason)}" for reason in record.reasons),
        f"{figures.plural(record.runs, 'run')} each, {figures.share(record.confidence)} confidence.",
    ]


def _capacity(record: CapacityRecord) -> list[str]:
    rows = [
        (
            f"{figures.number(point.rate)}/s",
            f"{figures.number(point.throughput)}/s",
            figures.milliseconds(point.p50_ms),
            figures.milliseconds(point.p99_ms),
            f"{point.met} of {point.probes}{', ended early' if point.ended_early and not point.met else ''}",
        )
        for point in record.curve[-_POINTS_SHOWN:]
    ]
    return [
        f"{_code(record.target)} · {_text(record.plan.arrival or 'constant')} arrivals · "
        f"targets {', '.join(_code(goal) for goal in record.goals)}",
        *([_table(("Asked", "Answered", "p50", "p99", "Targets met"), rows)] if rows else []),
        *(f"> {_text(reason)}" for reason in record.reasons),
    ]


def _replay(record: ReplayRecord) -> list[str]:
    rows = [(row.setting, *cells(row), row.mark) for row in setting_rows(record)[:_POINTS_SHOWN]]
    heads = (*(figures.sentence(head) for head in HEADS), "")
    return [
        _text(replayed_in_words(record)),
        _text(record.reason),
        _table(heads, [(_code(setting), *map(_text, others)) for setting, *others in rows]),
        "\n".join(f"- {_text(words)}" for words in record.caveats[:_ENTRIES_SHOWN]),
    ]


def _workload(record: WorkloadRecord) -> list[str]:
    rows = [
        (
            "–" if row.share is None else figures.share(row.share),
            row.calls,
            row.mean or "–",
            _code(row.text),
            _text(row.where),
        )
        for row in statement_rows(record)[:_POINTS_SHOWN]
    ]
    repeated = [
        f"**N+1 on {_text(found.route or 'a request')}**: "
        + "; ".join(f"{label} {_text(text)}" for label, text in repeated_in_words(found))
        for found in record.n_plus_one[:_ENTRIES_SHOWN]
    ]
    left_out = [f"- left out: {_text(why)}" for why in record.left_out[:_ENTRIES_SHOWN]]
    return [
        _text(captured_in_words(record)),
        _table(("Share", "Calls", "Each", "Statement", "From"), rows),
        *repeated,
        *(["\n".join(left_out)] if left_out else []),
    ]


def _untrustworthy(summary: LoadSummary) -> list[str]:
    if summary.trustworthy:
        return []
    reasons = [f"> - {_text(reason)}" for reason in summary.reasons]
    return ["\n".join(["> **Untrustworthy**: do not use these figures.", *reasons])]


def _latencies(summary: LoadSummary, phases: Sequence[PhaseTime] = ()) -> str:
    phase_rows = ((figures.PHASE_NAMES[phase.name], phase.time_ms) for phase in phases)
    rows = [
        (name, *(figures.milliseconds(value) for value in (f.mean, f.p50, f.p95, f.p99, f.p999, f.max)))
        for name, f in (
            ("latency", summary.latency_ms),
            ("service time", summary.service_time_ms),
            ("queue", summary.queue_ms),
            ("send lag", summary.send_lag_ms),
            *phase_rows,
        )
    ]
    return _table(("", "mean", "p50", "p95", "p99", "p99.9", "max"), rows)


def _targets(targets: Sequence[TargetResult]) -> list[str]:
    # Defaults that nobody set are in the record, for whoever asks.
    targets = [target for target in targets if target.configured]
    if not targets:
        return []
    marks = {"met": "✅ met", "missed": "❌ missed"}
    rows = [
        (
            _text(figures.spaced(target.name)),
            _value(target.measured, target.unit),
            _value(target.target, target.unit),
            marks.get(target.outcome, "not measured"),
        )
        for target in targets
    ]
    return [_table(("Target", "Measured", "Target", "Outcome"), rows)]


def _value(value: float | None, unit: str) -> str:
    return _text(figures.with_unit(value, unit))


def _place(place: Place) -> str:
    return f"{_code(f'{place.file}:{place.line}')} in {_code(place.function)}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] + ["---:" if len(heads) > 5 else "---"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |" for cells in lines)


def _text(text: str) -> str:
    plain = figures.shorten(figures.clean(text), _LONGEST_TEXT)
    return _CALLS.sub("\\g<0>\u200b", _BLOCK.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", plain)))


def _code(text: str) -> str:
    """Inline code that no back tick, pipe or line end inside can leave."""
    inside = figures.shorten(figures.clean(text), _LONGEST_TEXT).replace("`", "ˋ")
    return f"`{inside}`" if inside else "–"
