"""Which charts a record gives: from its figures to the charts package."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from perfloop.stats import Histogram
from perfloop.units import format_duration

from . import figures
from .breakdown import parts_of, slowest_name
from .charts import (
    Axis,
    Band,
    BeforeAfter,
    IntervalRow,
    LineChart,
    Mark,
    Segment,
    Series,
    StackedBar,
    before_after,
    interval_chart,
    line_chart,
    stacked_bars,
)
from .charts.scale import Scale, time_ticks
from .knee import knee
from .over_time import OverTime, over_time
from .verdict import before, finding_title, latency_of, leading_gain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

    from perfloop.records import (
        CohortBreakdown,
        ComparisonRecord,
        DiagnosisRecord,
        Finding,
        Interval,
        LoadResults,
        LoadSummary,
        RouteBreakdown,
    )

    from .charts import Chart

__all__ = [
    "breakdown_bars",
    "comparison_intervals",
    "gain_bars",
    "latency_curve",
    "latency_over_time",
    "load_curve",
    "part_css",
    "percentile_curve",
    "throughput_over_time",
]

_KNOWN_PARTS = frozenset(figures.PART_NAMES)
_CURVE_POINTS = 160
_METRICS_SHOWN = 40
_OTHERS_SHOWN = 3
# As many letters as stand before a pair of bars.
_NAME_LENGTH = 11


def part_css(part: str) -> str:
    """The class that colours a part of a breakdown."""
    return f"part-{part.replace('_', '-')}" if part in _KNOWN_PARTS else "part-other"


def latency_over_time(results: LoadResults, summary: LoadSummary) -> Chart | None:
    """p50, p99 and the longest request of each second; None with fewer than two seconds."""
    run = over_time(results.series, summary.run_seconds)
    if len(run.seconds) < 2 or not any(value is not None for value in run.max_ms):
        return None
    latency = summary.latency_ms
    tail = "worst p99" if run.step_seconds > 1 else "p99"
    return line_chart(
        LineChart(
            label=f"Latency over time: p50 {figures.milliseconds(latency.p50)}, "
            f"p99 {figures.milliseconds(latency.p99)}, longest {figures.milliseconds(latency.max)} "
            f"over {format_duration(summary.elapsed_seconds)}",
            x=run.seconds,
            series=[
                Series("max", run.max_ms, "series-max"),
                Series(tail, run.p99_ms, "series-p99"),
                Series("p50", run.p50_ms, "series-p50"),
            ],
            x_axis=Axis("time since the start", format_duration),
            y_axis=Axis("latency", figures.milliseconds),
            titles=_moments(run.seconds, run.step_seconds),
            x_scale=_time_scale(run.seconds[-1]),
            bands=_warm_up(run, summary),
        )
    )


def throughput_over_time(results: LoadResults, summary: LoadSummary) -> Chart | None:
    """Finished and failed requests of each second; None with fewer than two seconds."""
    run = over_time(results.series, summary.run_seconds)
    if len(run.seconds) < 2:
        return None
    series = [Series("requests", run.rate, "series-rate", "area")]
    if summary.errors:
        series.append(Series("errors", run.errors, "series-errors", "area"))
    return line_chart(
        LineChart(
            label=f"Throughput over time: {figures.per_second(summary.rate)} on average, "
            f"{figures.plural(summary.errors, 'error')}",
            x=run.seconds,
            series=series,
            x_axis=Axis("time since the start", format_duration),
            y_axis=Axis("finished requests a second", figures.number),
            titles=_moments(run.seconds, run.step_seconds),
            x_scale=_time_scale(run.seconds[-1]),
            bands=_warm_up(run, summary),
            y_log=False,
            height=230,
        )
    )


def _warm_up(run: OverTime, summary: LoadSummary) -> list[Band]:
    end = min(summary.warm_up_seconds, run.seconds[-1])
    return [Band(0.0, end, "warm-up, left out")] if end else []


def percentile_curve(results: LoadResults) -> Chart | None:
    """Latency and service time against the share of requests that were faster, on an axis of 1 ÷ (1 − share).

    The axis is HdrHistogram's: each step to the right is a tenth of the requests of the one before. None without
    requests.
    """
    if not results.latency_histogram:
        return None
    latency = Histogram.decode(results.latency_histogram)
    if latency.count < 2:
        return None
    service = Histogram.decode(results.service_time_histogram) if results.service_time_histogram else Histogram()
    rarest = float(max(latency.count, 10))
    xs = [rarest ** (index / (_CURVE_POINTS - 1)) for index in range(_CURVE_POINTS)]
    percentiles = [100.0 * (1.0 - 1.0 / x) for x in xs[:-1]] + [100.0]
    series = [Series("latency", [us / 1000 for us in latency.percentiles(percentiles)], "series-p99")]
    if service.count:
        series.append(Series("service", [us / 1000 for us in service.percentiles(percentiles)], "series-p50"))
    ticks = [1.0, 2.0, *(10.0**power for power in range(1, math.floor(math.log10(rarest) + 1e-9) + 1))]
    p50, p99, longest = latency.percentiles((50, 99, 100))
    return line_chart(
        LineChart(
            label=f"Latency by percentile: half of the requests took at most {figures.milliseconds(p50 / 1000)}, "
            f"99 % at most {figures.milliseconds(p99 / 1000)}, the longest {figures.milliseconds(longest / 1000)}",
            x=xs,
            series=series,
            x_axis=Axis("share of the requests that took no longer", _percentile_label),
            y_axis=Axis("latency", figures.milliseconds),
            titles=[f"{_percent(percentile)} of the requests" for percentile in percentiles],
            x_scale=lambda start, end: (Scale(1.0, rarest, start, end, log=True), ticks),
        )
    )


def load_curve(record: DiagnosisRecord) -> Chart | None:
    """Throughput against requests in flight, with the knee; None with fewer than two points."""
    return _curve(
        record,
        Axis("throughput, requests/s", figures.number),
        [point.rate for point in record.curve],
        "rate",
        "series-rate",
        f"Throughput against requests in flight: at most {figures.per_second(record.capacity_rps)}",
    )


def latency_curve(record: DiagnosisRecord) -> Chart | None:
    """p99 against requests in flight, with the knee; None with fewer than two points."""
    return _curve(
        record,
        Axis("p99 latency", figures.milliseconds),
        [point.p99_ms for point in record.curve],
        "p99",
        "series-p99",
        "p99 latency against requests in flight",
    )


def _curve(
    record: DiagnosisRecord, axis: Axis, values: Sequence[float | None], name: str, css: str, label: str
) -> Chart | None:
    curve = record.curve
    if len(curve) < 2:
        return None
    xs = [float(point.in_flight) for point in curve]
    bend = knee(curve)
    return line_chart(
        LineChart(
            label=f"{label}{f'; knee at {bend.in_flight} in flight' if bend else ''}",
            x=xs,
            series=[Series(name, values, css, dots=True)],
            x_axis=Axis("requests in flight", figures.number),
            y_axis=axis,
            titles=[f"{point.in_flight:,} in flight" for point in curve],
            x_scale=lambda start, end: (Scale(max(xs[0], 1e-9), xs[-1], start + 12, end, log=True), xs),
            y_log=False,
            marks=[Mark(float(bend.in_flight), "knee")] if bend else [],
            height=220,
            gutter=64.0,
        )
    )


def breakdown_bars(route: RouteBreakdown) -> Chart:
    """Where the time of a route's typical and slowest requests went, on one scale of milliseconds."""
    order = [row.part for row in parts_of(route)]

    def bar(name: str, group: CohortBreakdown) -> StackedBar:
        segments = [
            Segment(
                figures.part_name(part),
                group.parts_ms[part],
                part_css(part),
                f"{figures.milliseconds(group.parts_ms[part])}",
            )
            for part in order
            if group.parts_ms.get(part, 0.0) > 0
        ]
        requests = figures.plural(group.requests, "request")
        return StackedBar(name, f"{figures.milliseconds(group.mean_ms)} on average, {requests}", segments)

    return stacked_bars(
        [bar("All requests", route.typical), bar(figures.sentence(slowest_name(route)), route.slowest)],
        f"Where the time of {figures.clean(route.route)} goes, all requests and the {slowest_name(route)}",
    )


def gain_bars(record: DiagnosisRecord, finding: Finding) -> Markup:
    """p50, p99 and capacity now and predicted after the fix, with intervals."""
    now = before(record, finding)
    after = finding.predicted

    def row(name: str, now_value: float, then: Interval, words: Callable[[float], str]) -> BeforeAfter:
        return BeforeAfter(
            name, now_value, then, words(now_value), words(then[1]), figures.span(words(then[0]), words(then[2]))
        )

    rows = [
        row("p99", now.p99_ms, after.p99_ms, figures.milliseconds),
        row("p50", now.p50_ms, after.p50_ms, figures.milliseconds),
        row("capacity", now.capacity_rps, after.capacity_rps, lambda value: f"{figures.number(value)}/s"),
    ]
    if leading_gain(record, finding).of != "of p99":
        # The request itself takes as long as before: two bars of one length would say nothing.
        others = finding.others[:_OTHERS_SHOWN]
        rows = rows[2:] + [
            row(_path(other.route), latency_of(record, other.route).p99, other.p99_ms, figures.milliseconds)
            for other in others
        ]
    return before_after(
        rows,
        f"Predicted gain of fixing: {finding_title(finding)}. "
        f"p99 {figures.change(now.p99_ms, after.p99_ms, 'ms')}, p50 {figures.change(now.p50_ms, after.p50_ms, 'ms')}, "
        f"capacity {figures.change(now.capacity_rps, after.capacity_rps, 'requests/s')}"
        + "".join(
            f", {figures.clean(other.route)} p99 "
            f"{figures.change(latency_of(record, other.route).p99, other.p99_ms, 'ms')}"
            for other in finding.others
        ),
    )


def _path(route: str) -> str:
    return figures.shorten(figures.clean(route.partition(" ")[2] or route), _NAME_LENGTH)


def comparison_intervals(record: ComparisonRecord) -> Chart:
    """B ÷ A of every metric with its interval."""
    css = {"faster": "faster", "slower": "slower", "no difference": "same", "not enough data": "unknown"}
    rows = [
        IntervalRow(figures.spaced(metric.metric), metric.ratio, metric.verdict, css[metric.verdict])
        for metric in record.metrics[:_METRICS_SHOWN]
    ]
    words = "; ".join(f"{figures.spaced(metric.metric)} {metric.verdict}" for metric in record.metrics[:_METRICS_SHOWN])
    return interval_chart(
        rows,
        f"B against A: {words}",
        f"B ÷ A, {figures.share(record.confidence)} confidence (log scale)",
    )


def _time_scale(last: float) -> Callable[[float, float], tuple[Scale, list[float]]]:
    def scale(start: float, end: float) -> tuple[Scale, list[float]]:
        return Scale(0.0, max(last, 1.0), start, end), time_ticks(last, 10 if end - start > 500 else 5)

    return scale


def _moments(seconds: Sequence[float], step: int) -> list[str]:
    return [
        f"second {second:,.0f}" if step == 1 else f"seconds {second:,.0f}–{second + step - 1:,.0f}"
        for second in seconds
    ]


def _percentile_label(x: float) -> str:
    return _percent(100.0 * (1.0 - 1.0 / x))


def _percent(percentile: float) -> str:
    """As many digits as tell it from 100 %."""
    if percentile >= 100 - 1e-9:
        return "100 %"
    decimals = max(0, math.ceil(-math.log10(100.0 - percentile) - 1e-9)) + (0 if percentile < 90 else 1)
    text = f"{percentile:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"
