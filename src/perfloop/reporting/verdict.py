"""The verdict of a record in one sentence: what the terminal, the HTML report and a pull request say first."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from perfloop.records import (
    AdviceRecord,
    AnyRecord,
    CapacityRecord,
    ComparisonRecord,
    DiagnosisRecord,
    Figures,
    Finding,
    Interval,
    LoadRecord,
    LoadSummary,
    MetricComparison,
    PlanRecord,
    ReplayRecord,
    RouteBreakdown,
    WorkloadRecord,
)

from . import figures
from .advice import advice_entries
from .plan import node_title
from .replay import setting_in_words

__all__ = [
    "Before",
    "Gain",
    "Verdict",
    "before",
    "capacity_span",
    "finding_title",
    "gain_in_words",
    "latency_of",
    "leading_gain",
    "summary_line",
    "verdict",
    "waiting_outside",
]

Tone = Literal["good", "bad", "warning", "neutral"]

# A fix that takes so little off p99, and less than half of what it takes off the service's time, is one for the others.
_SMALL_SHARE = 0.05
_CAPACITY_GAIN = 1.1
# Waiting of this share of the latency and at least so many milliseconds is worth saying.
_MOSTLY_WAITING, _WAITING_MS = 0.7, 20.0
_OUTSIDE = ("queue", "event_loop_wait", "worker_wait")


class Verdict(Struct, frozen=True):
    """What a record says, in one sentence, and how to feel about it."""

    tone: Tone
    headline: str
    """One sentence without a full stop."""
    addition: str = ""
    """What follows it after a comma, where there is more to say."""


class Before(Struct, frozen=True):
    """What was measured without the fix: the left side of a prediction's arrow."""

    p50_ms: float
    p99_ms: float
    capacity_rps: float


class Gain(Struct, frozen=True):
    """What a fix gains most: the figure that reports lead with."""

    share: float
    of: str
    """What the share is a part of, in words: `of p99`."""
    name: str
    """`p99`, `capacity` or `p99 of GET /ping`."""
    before: float
    after: Interval
    unit: str
    """`ms` or `requests/s`."""


def summary_line(record: AnyRecord) -> str:
    """The record in one line, without colour: the last line of a command, the subject of a message."""
    said = verdict(record)
    return f"{said.headline}, {said.addition}" if said.addition else said.headline


def verdict(record: AnyRecord) -> Verdict:
    """What the record says."""
    if isinstance(record, LoadRecord):
        return _load(record)
    if isinstance(record, DiagnosisRecord):
        return _diagnosis(record)
    if isinstance(record, CapacityRecord):
        return _capacity(record)
    if isinstance(record, AdviceRecord):
        return _advice(record)
    if isinstance(record, PlanRecord):
        return _plan(record)
    if isinstance(record, ReplayRecord):
        return _replay(record)
    if isinstance(record, WorkloadRecord):
        return _workload(record)
    return _comparison(record)


def finding_title(finding: Finding) -> str:
    """The finding's title, with its route where the title does not name it."""
    title, route = figures.sentence(figures.clean(finding.title)), figures.clean(finding.route)
    return title if not route or route in title else f"{title} · {route}"


def before(record: DiagnosisRecord, finding: Finding) -> Before:
    """What a finding's prediction starts from: its route's latency under the judged load, the service's capacity."""
    latency = latency_of(record, finding.route)
    return Before(latency.p50, latency.p99, record.capacity_rps)


def leading_gain(record: DiagnosisRecord, finding: Finding) -> Gain:
    """The figure that shows best what the fix is good for.

    Usually the route's p99. What holds the event loop costs the others more than the request itself, which waits as
    long as before: then it is the capacity, or another route's p99.
    """
    now, after = before(record, finding), finding.predicted
    if finding.share_of_p99 >= _SMALL_SHARE or finding.share_of_p99 >= finding.share_of_time / 2:
        return Gain(finding.share_of_p99, "of p99", "p99", now.p99_ms, after.p99_ms, "ms")
    share, of = finding.share_of_time, "of the service's time"
    if after.capacity_rps[1] < _CAPACITY_GAIN * now.capacity_rps and finding.others:
        other = finding.others[0]
        return Gain(share, of, f"p99 of {other.route}", latency_of(record, other.route).p99, other.p99_ms, "ms")
    return Gain(share, of, "capacity", now.capacity_rps, after.capacity_rps, "requests/s")


def waiting_outside(record: DiagnosisRecord) -> tuple[float, str]:
    """The share of the latency in the judged run that was waiting for the service to begin, and the largest such part.

    Nothing where it is not most of the latency, or short.
    """
    total = sum(route.typical.mean_ms * route.requests for route in record.routes)
    requests = sum(route.requests for route in record.routes)
    parts = {
        part: sum(route.typical.parts_ms.get(part, 0.0) * route.requests for route in record.routes)
        for part in _OUTSIDE
    }
    waiting = sum(parts.values())
    if total <= 0 or waiting < _MOSTLY_WAITING * total or waiting < _WAITING_MS * requests:
        return 0.0, ""
    return waiting / total, max(parts, key=parts.__getitem__)


def latency_of(record: DiagnosisRecord, route: str) -> Figures:
    """The measured latency of a route; of all requests where it is not in the record."""
    return next((each.latency_ms for each in record.routes if each.route == route), record.summary.latency_ms)


def route_of(record: DiagnosisRecord, finding: Finding) -> RouteBreakdown | None:
    """The breakdown of the finding's route, if it was measured."""
    return next((route for route in record.routes if route.route == finding.route), None)


def _untrustworthy(summary: LoadSummary) -> Verdict:
    reason = figures.clean(summary.reasons[0]) if summary.reasons else "the generator did not keep its schedule"
    return Verdict("warning", f"Untrustworthy: {reason}")


def _load(record: LoadRecord) -> Verdict:
    summary = record.summary
    if not summary.trustworthy:
        return _untrustworthy(summary)
    if not summary.requests:
        return Verdict("bad", "No request finished" + (" before the run was interrupted" if record.partial else ""))
    failed = [threshold for threshold in record.thresholds if threshold.failed]
    figures_text = (
        f"{figures.per_second(summary.rate)}, p99 {figures.milliseconds(summary.latency_ms.p99)}, "
        f"{_errors(summary)}{' (interrupted)' if record.partial else ''}"
    )
    if failed:
        names = ", ".join(figures.clean(threshold.expression) for threshold in failed)
        return Verdict("bad", f"Failed {names}: {figures_text}")
    if summary.errors == summary.all_requests:
        return Verdict("bad", f"Every request failed: {figures_text}")
    if summary.errors:
        return Verdict("warning", _capital(figures_text))
    return Verdict("good" if record.thresholds or not record.partial else "neutral", _capital(figures_text))


def _errors(summary: LoadSummary) -> str:
    if not summary.errors:
        return "no errors"
    return f"{figures.plural(summary.errors, 'error')} ({figures.share(summary.error_share)})"


def _diagnosis(record: DiagnosisRecord) -> Verdict:
    if not record.summary.trustworthy:
        return _untrustworthy(record.summary)
    interrupted = " (interrupted)" if record.partial else ""
    if not record.findings:
        if not record.summary.requests:
            return Verdict("warning", f"No request was measured, so nothing can be said{interrupted}")
        waiting, part = waiting_outside(record)
        if waiting:
            return Verdict(
                "warning",
                f"No bottleneck found in the code, but {figures.share(waiting)} of the latency is waiting before it "
                f"runs, mostly {figures.part_name(part)}: p50 {figures.milliseconds(record.summary.latency_ms.p50)} "
                f"at half the capacity{interrupted}",
            )
        return Verdict(
            "good",
            f"No bottleneck found: capacity {figures.per_second(record.capacity_rps)}, "
            f"p99 {figures.milliseconds(record.summary.latency_ms.p99)}{interrupted}",
        )
    first = record.findings[0]
    more = len(record.findings) - 1
    further = f"and {figures.plural(more, 'further finding')}" if more else ""
    gain = leading_gain(record, first)
    now, then = (
        figures.milliseconds(value) if gain.unit == "ms" else figures.per_second(value)
        for value in (gain.before, gain.after[1])
    )
    return Verdict(
        "bad",
        f"{figures.shorten(finding_title(first), 90)}: fixing it takes {figures.clean(gain.name)} from {now} "
        f"to about {then}{interrupted}",
        further,
    )


def capacity_span(record: CapacityRecord) -> str:
    """The interval of the capacity with its confidence: `380–414, 95 %`; empty where there is none."""
    if record.capacity_rps is None:
        return ""
    return f"{figures.interval(record.capacity_rps)}, {figures.share(record.confidence)}"


def _capacity(record: CapacityRecord) -> Verdict:
    interrupted = " (interrupted)" if record.partial else ""
    goals = figures.shorten(", ".join(figures.clean(goal) for goal in record.goals), 120)
    reason = f": {figures.shorten(figures.clean(record.reasons[0]), 160)}" if record.reasons else ""
    middle = None if record.capacity_rps is None else figures.per_second(record.capacity_rps[1])
    if record.verdict == "found" and middle is not None:
        return Verdict("good", f"Capacity {middle} ({capacity_span(record)}) with {goals}{interrupted}")
    if record.verdict == "at least":
        least = middle or figures.per_second(record.highest_met_rps or 0.0)
        by = f"limited by the {record.limited_by}"
        return Verdict("warning", f"Capacity at least {least}, {by}{reason}{interrupted}")
    if record.verdict == "never met":
        return Verdict("bad", f"The targets are missed at any rate{reason}{interrupted}")
    known = f", about {middle} ({capacity_span(record)})" if middle is not None else ""
    return Verdict("warning", f"Not enough data to tell the capacity{known}{reason}{interrupted}")


def _comparison(record: ComparisonRecord) -> Verdict:
    first = record.metrics[0] if record.metrics else None
    if record.verdict == "not enough data" or first is None:
        # Why is what the report says next, reason by reason.
        return Verdict("warning", "Not enough data to tell A and B apart")
    if record.verdict == "no difference":
        return Verdict("neutral", f"No difference between A and B in {figures.spaced(first.metric)}")
    gain, interval = _gain(first)
    values = f"{figures.with_unit(first.a, first.unit)} → {figures.with_unit(first.b, first.unit)}"
    name = figures.spaced(first.metric)
    return Verdict(
        "good" if record.verdict == "faster" else "bad",
        f"B is {record.verdict} than A: {name} {gain or values}",
        (f"{values} ({interval})" if interval else values) if gain else "",
    )


def _advice(record: AdviceRecord) -> Verdict:
    entries = advice_entries(record)
    interrupted = " (interrupted)" if record.partial else ""
    if not entries:
        if record.indexes is None and not record.partial:
            return Verdict("warning", "Nothing found that is worth doing, but indexes could not be looked at")
        return Verdict("good", f"Nothing found that is worth doing for this workload{interrupted}")
    first, more = entries[0], len(entries) - 1
    gain = f": {first.brief or first.gain}" if first.gain else ""
    return Verdict(
        "warning",
        f"{figures.sentence(figures.shorten(first.title, 160))}{gain}{interrupted}",
        f"and {more} more" if more else "",
    )


def _workload(record: WorkloadRecord) -> Verdict:
    statements = f"{figures.plural(len(record.statements), 'different statement')}"
    if record.n_plus_one:
        worst = max(record.n_plus_one, key=lambda found: found.statements_saved)
        more = len(record.n_plus_one) - 1
        return Verdict(
            "warning",
            f"{statements}; {worst.calls} of one on {figures.clean(worst.route or 'a request')} where "
            f"{worst.calls - worst.statements_saved or 'none'} would do",
            f"and {figures.plural(more, 'further N+1', 'further N+1')}" if more else "",
        )
    calls = sum(statement.calls for statement in record.statements)
    return Verdict("neutral", f"{statements} in {figures.plural(calls, 'call')}")


def _replay(record: ReplayRecord) -> Verdict:
    tried = figures.plural(len(record.results), "setting")
    if record.verdict == "none opened":
        return Verdict("warning", f"None of {tried} opens in an outage of the record", "try others")
    if record.chosen is None:
        why = "no call is in the outages that were given" if record.outages else "the record has no outage"
        return Verdict("warning", f"Not enough data to choose among {tried}: {why}")
    result = record.results[record.chosen]
    words = setting_in_words(result.settings)
    headline = f"Of {tried}, {figures.clean(words)}"
    if result.outages_missed:
        return Verdict("warning", headline, f"but it missed {result.outages_missed} of {result.outages} outages")
    wrong = min(each.false_rejected + each.let_through for each in record.results)
    fewest = "with the fewest calls on the wrong side"
    if wrong < result.false_rejected + result.let_through:
        fewest += " of those that open in every outage"
    return Verdict("good", headline, fewest)


def _plan(record: PlanRecord) -> Verdict:
    worst = None if record.worst is None else node_title(record.nodes[record.worst])
    problem = record.problems[0] if record.problems else None
    if problem is None:
        return Verdict(
            "good", "Nothing in this plan is out of the ordinary" + (f"; most goes to {worst}" if worst else "")
        )
    title = "the statement" if problem.node is None else node_title(record.nodes[problem.node])
    more = len(record.problems) - 1
    return Verdict(
        "warning",
        f"{figures.sentence(title)}: {figures.shorten(figures.clean(problem.words), 160)}",
        f"and {figures.plural(more, 'further problem')}" if more else "",
    )


def gain_in_words(metric: MetricComparison) -> str:
    """The ratio B ÷ A as people say it: `5.9 times lower (5.3–6.7 times)` or `12 % higher (8–16 %)`.

    Empty where the interval holds 1 or there is none.
    """
    words, interval = _gain(metric)
    return f"{words} ({interval})" if words and interval else words


def _gain(metric: MetricComparison) -> tuple[str, str]:
    if metric.ratio is None or min(metric.ratio) <= 0 or metric.ratio[0] <= 1 <= metric.ratio[2]:
        return "", ""
    low, estimate, high = metric.ratio
    word = "lower" if estimate < 1 else "higher"
    if low == high:  # counted, not sampled
        factor = max(estimate, 1 / estimate)
        return f"{f'{_digits(factor)} times' if factor >= 2 else f'{_digits(abs(estimate - 1) * 100)} %'} {word}", ""
    if not 0.5 < estimate < 2:
        times = (1 / high, 1 / estimate, 1 / low) if estimate < 1 else (low, estimate, high)
        return f"{_digits(times[1])} times {word}", f"{_digits(times[0])}–{_digits(times[2])} times"
    near, far = sorted(abs(end - 1) * 100 for end in (low, high))
    return f"{_digits(abs(estimate - 1) * 100)} % {word}", f"{_digits(near)}–{_digits(far)} %"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 9.95 else f"{value:.1f}".removesuffix(".0")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
