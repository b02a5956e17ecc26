"""The charts of a capacity search."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import figures
from .charts import Axis, Band, LineChart, Mark, Series, line_chart
from .charts.scale import Scale, log_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import CapacityRecord, UslFit

    from .charts import Chart

__all__ = ["latency_by_rate", "scalability"]

_TICKS = 8


def latency_by_rate(record: CapacityRecord) -> Chart | None:
    """p50 and p99 against the rate asked for, the capacity's interval as a band; None with fewer than two rates.

    Where there is a scalability law, also the mean latency it predicts, N ÷ X(N) by Little's law, up to its peak.
    """
    points = record.curve
    if len(points) < 2:
        return None
    xs = [point.rate for point in points]
    interval = record.capacity_rps
    series = [
        Series("p99", [point.p99_ms for point in points], "series-p99", dots=True),
        Series("p50", [point.p50_ms for point in points], "series-p50", dots=True),
    ]
    predicted = [None if record.usl is None else _predicted_ms(record.usl, x) for x in xs]
    if sum(value is not None for value in predicted) > 1:
        series.append(Series("USL mean", predicted, "series-max"))
    bands = []
    if interval is not None:
        bands = [Band(max(interval[0], xs[0]), min(interval[2], xs[-1]), "capacity")]
    found = "" if interval is None else f"; capacity {figures.interval(interval)} requests/s"
    return line_chart(
        LineChart(
            label=f"Latency by rate, {figures.number(xs[0])} to {figures.number(xs[-1])} requests/s{found}",
            x=xs,
            series=series,
            x_axis=Axis("requests asked for, a second", figures.number),
            y_axis=Axis("latency", figures.milliseconds),
            titles=[f"{figures.number(point.rate)}/s, {point.met} of {point.probes} met" for point in points],
            x_scale=lambda start, end: (Scale(xs[0], xs[-1], start + 12, end - 12), _round_ticks(xs)),
            bands=bands,
        )
    )


def scalability(record: CapacityRecord) -> Chart | None:
    """Throughput against requests in flight, measured and by the scalability law; None with fewer than two points."""
    ramp = {probe.connections: probe.throughput for probe in record.probes if probe.model == "closed"}
    if len(ramp) < 2:
        return None
    xs = [float(in_flight) for in_flight in sorted(ramp)]
    series = [Series("measured", [ramp[int(x)] for x in xs], "series-rate", dots=True)]
    fit = record.usl
    marks = []
    if fit is not None:
        series.append(Series("USL", [_throughput(fit, x) for x in xs], "series-max"))
        if fit.peak_in_flight is not None and xs[0] <= fit.peak_in_flight <= xs[-1]:
            marks = [Mark(fit.peak_in_flight, "predicted peak")]
    return line_chart(
        LineChart(
            label=f"Throughput by requests in flight: at most {figures.per_second(max(ramp.values()))}",
            x=xs,
            series=series,
            x_axis=Axis("requests in flight", figures.number),
            y_axis=Axis("requests answered a second", figures.number),
            titles=[f"{figures.number(x)} in flight" for x in xs],
            x_scale=lambda start, end: (Scale(xs[0], xs[-1], start + 12, end, log=True), xs),
            y_log=False,
            marks=marks,
            height=230,
        )
    )


def _throughput(fit: UslFit, in_flight: float) -> float:
    n = in_flight
    return fit.rate_of_one * n / (1 + fit.contention * (n - 1) + fit.coherency * n * (n - 1))


def _predicted_ms(fit: UslFit, rate: float) -> float | None:
    """Mean latency at that throughput: the smaller N with X(N) = rate, over the rate; None beyond the peak."""
    # κN² + (σ - κ - λ/X)N + (1 - σ) = 0
    b = fit.contention - fit.coherency - fit.rate_of_one / rate
    c = 1 - fit.contention
    if fit.coherency < 1e-12:
        in_flight = -c / b if b < 0 else math.inf
    else:
        inside = b * b - 4 * fit.coherency * c
        in_flight = (-b - math.sqrt(inside)) / (2 * fit.coherency) if inside >= 0 else math.inf
    return 1000 * in_flight / rate if 0 < in_flight < math.inf else None


def _round_ticks(xs: Sequence[float]) -> list[float]:
    """Round rates within the chart."""
    low, high = xs[0], xs[-1]
    if high / low > 5:
        return log_ticks(low, high, _TICKS)
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-9)))
    while (high - low) / step > _TICKS:
        step *= 2
    while (high - low) / step < _TICKS / 3:
        step /= 2
    return [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
