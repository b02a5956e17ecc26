"""Two records of one run each: what they can say about each other, which is less than interleaved runs could.

Runs are the unit of comparison, and here is one of each arm. What stands in for more are blocks of consecutive seconds
of each run (the method of batch means: Law and Kelton, Simulation Modeling and Analysis, chapter 9): blocks are made
longer until neighbours are no longer correlated, and compared like runs. Blocks of one run share its luck, its memory
layout and its machine, which differ from run to run by some 5 to 10 %; so a difference counts only beyond 10 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from ..exceptions import ConfigurationError
from ..records import (
    AnyRecord,
    ComparisonRecord,
    DiagnosisRecord,
    LoadRecord,
    MetricComparison,
    SeriesPoint,
    current_environment,
)
from ..stats import compare
from ..units import format_duration
from .comparison import overall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["blocks", "compare_records"]

RUN_TO_RUN = 0.10
"""Differences up to this share may be the difference between two runs of one and the same service."""
_CONFIDENCE = 0.95
_LEAST_BLOCKS = 5
# More say nothing new, and cost the bootstrap of the comparison time and memory for each.
_MOST_BLOCKS = 500
# Seconds a run must last to have that many whole seconds: the first and the last do not count.
_LEAST_SECONDS = _LEAST_BLOCKS + 3
_ENOUGH_SECONDS = 30
# Requests a second from which on a second has a p99.
_ENOUGH_FOR_P99 = 100
# Loads that differ by more are not the same load.
_SAME_RATE = 0.05

_LATENCIES: tuple[Literal["p50", "p99"], ...] = ("p50", "p99")
_Measured = LoadRecord | DiagnosisRecord


def compare_records(a: AnyRecord, b: AnyRecord, *, name_a: str = "A", name_b: str = "B") -> ComparisonRecord:
    """Compare what two load tests or diagnoses measured; B is judged against A.

    Args:
        a, b: records of `perfloop load` or `perfloop diagnose`.
        name_a, name_b: what to call them, usually their files.

    Raises:
        ConfigurationError: one of them is of another kind.
    """
    for record, name in ((a, name_a), (b, name_b)):
        if not isinstance(record, _Measured):
            kinds = {
                "comparison": "a comparison",
                "capacity": "a capacity search, which has an interval of its own",
                "advice": "advice on a database",
                "plan": "a plan, which is compared with another plan",
                "replay": "a replay of outcomes, which compares settings of a breaker itself",
                "workload": "a workload, which says what was asked and not how fast requests were",
            }
            raise ConfigurationError(
                "Expected the record of a load test or a diagnosis",
                got=kinds.get(tag := str(type(record).__struct_config__.tag), f"a record of {tag}"),
                where=name,
            )
    assert isinstance(a, _Measured)
    assert isinstance(b, _Measured)
    obstacles = _obstacles(a, b)
    metrics = [_latency(a, b, 50), _latency(a, b, 99), _rate(a, b), _errors(a, b)]
    if min(len(blocks(_values(each, "p99"))) for each in (a, b)) >= _LEAST_BLOCKS:
        metrics[:2] = reversed(metrics[:2])
    verdict = overall(metrics, [a.summary.error_share], [b.summary.error_share])
    if verdict in ("faster", "slower"):
        winner, loser = (b, a) if verdict == "faster" else (a, b)
        if winner.summary.rate < (1 - _SAME_RATE) * loser.summary.rate:
            obstacles.append("the faster one had less to do: run both under the same --rate")
    if obstacles:
        verdict = "not enough data"
    return ComparisonRecord(
        environment=current_environment(),
        partial=a.partial or b.partial,
        a=name_a,
        b=name_b,
        runs=1,
        confidence=_CONFIDENCE,
        metrics=metrics,
        verdict=verdict,
        reasons=[
            *obstacles,
            f"one run each: blocks of seconds stand in for runs, and only a difference beyond {RUN_TO_RUN:.0%} counts, "
            "since that much may lie between two runs of the same service; compare with --cmd for interleaved runs",
        ],
    )


def blocks(values: Sequence[float]) -> list[float]:
    """Means of consecutive values, in blocks just long enough that neighbouring blocks are uncorrelated.

    Empty when fewer than five such blocks are left, or when the values drift: then the run was not steady.
    """
    series = np.asarray(values, dtype=np.float64)
    size = max(1, -(-series.size // _MOST_BLOCKS))
    while series.size // size >= _LEAST_BLOCKS:
        count = series.size // size
        means = series[: count * size].reshape(count, size).mean(axis=1)
        # Two standard errors of a correlation of nothing with nothing.
        doubt = 2.0 / np.sqrt(count)
        if _lag_one(means) <= doubt and abs(_trend(means)) <= doubt:
            return [float(mean) for mean in means]
        size += max(1, size // 20)  # in steps of 5 %, or a day's series would be read ten thousands of times
    return []


def _trend(values: NDArray[np.float64]) -> float:
    """Correlation with time; 0 for a constant series."""
    return float(np.corrcoef(values, np.arange(values.size))[0, 1]) if np.ptp(values) > 0 else 0.0


def _lag_one(values: NDArray[np.float64]) -> float:
    """Autocorrelation of neighbours; 0 for a constant series."""
    centred = values - values.mean()
    variance = float((centred**2).sum())
    return float((centred[1:] * centred[:-1]).sum()) / variance if variance > 0 else 0.0


def _obstacles(a: _Measured, b: _Measured) -> list[str]:
    """Why the two must not be compared; empty when nothing speaks against it."""
    found = []
    for record, name in ((a, "A"), (b, "B")):
        if not record.summary.trustworthy:
            found.append(f"{name} is not trustworthy: {'; '.join(record.summary.reasons)}")
        if not record.summary.requests:
            found.append(f"{name} measured no request")
        elif len(_whole_seconds(record)) < _LEAST_BLOCKS:
            found.append(
                f"{name} lasted {format_duration(record.summary.elapsed_seconds)}, which is too short: both runs must "
                f"last {_LEAST_SECONDS} s or more, better {_ENOUGH_SECONDS} s"
            )
        elif len(_values(record, "p50")) >= _LEAST_BLOCKS and not any(
            blocks(_values(record, kind)) for kind in _LATENCIES
        ):
            found.append(f"{name} was not steady: its latency drifted from second to second")
    if a.plan.model != b.plan.model:
        found.append(f"A is of the {a.plan.model} model, B of the {b.plan.model} model")
    if a.plan.model == "closed" and a.plan.connections != b.plan.connections:
        found.append(f"A had {a.plan.connections} requests in flight, B {b.plan.connections}")
    if sorted(a.plan.requests) != sorted(b.plan.requests):
        found.append("they sent different requests")
    if a.plan.profile != b.plan.profile:
        found.append("their rates followed different profiles")
    if (a.plan.think_time, a.plan.pacing_seconds) != (b.plan.think_time, b.plan.pacing_seconds):
        found.append("their users thought for different times, or kept different paces")
    if (a.environment.machine, a.environment.cpu_count) != (b.environment.machine, b.environment.cpu_count):
        found.append("they were measured on different machines")
    return found


def _whole_seconds(record: _Measured) -> list[SeriesPoint]:
    """The seconds of the steady run: without the first, which warms up, and the last, which is not whole."""
    return [point for point in record.results.series[1:-1] if not point.warm_up]


def _values(record: _Measured, kind: Literal["p50", "p99", "rate"]) -> list[float]:
    points = _whole_seconds(record)
    if kind == "rate":
        return [float(point.requests - point.errors) for point in points]
    if kind == "p50":
        return [point.p50_ms for point in points if point.p50_ms is not None]
    return [point.p99_ms for point in points if point.p99_ms is not None and point.requests >= _ENOUGH_FOR_P99]


def _latency(a: _Measured, b: _Measured, percentile: Literal[50, 99]) -> MetricComparison:
    kind: Literal["p50", "p99"] = "p50" if percentile == 50 else "p99"
    result = compare(blocks(_values(a, kind)), blocks(_values(b, kind)), confidence=_CONFIDENCE, threshold=RUN_TO_RUN)
    of = [getattr(record.summary.latency_ms, kind) for record in (a, b)]
    return MetricComparison(
        metric=f"latency {kind}", unit="ms", a=of[0], b=of[1], ratio=result.ratio, verdict=result.verdict
    )


def _rate(a: _Measured, b: _Measured) -> MetricComparison:
    """Capacity where it was measured: in diagnoses as one figure, in closed runs as the throughput."""
    if isinstance(a, DiagnosisRecord) and isinstance(b, DiagnosisRecord):
        return MetricComparison(
            metric="capacity",
            unit="requests/s",
            a=a.capacity_rps,
            b=b.capacity_rps,
            ratio=None,
            verdict="not enough data",
        )
    result = compare(
        blocks(_values(a, "rate")),
        blocks(_values(b, "rate")),
        confidence=_CONFIDENCE,
        threshold=RUN_TO_RUN,
        lower_is_better=False,
    )
    # An open run's throughput is what was asked of it.
    told = a.plan.model == b.plan.model == "closed"
    return MetricComparison(
        metric="throughput",
        unit="requests/s",
        a=_answered_rate(a),
        b=_answered_rate(b),
        ratio=result.ratio if told else None,
        verdict=result.verdict if told else "not enough data",
    )


def _answered_rate(record: _Measured) -> float:
    summary = record.summary
    return summary.succeeded / summary.elapsed_seconds if summary.requests else 0.0


def _errors(a: _Measured, b: _Measured) -> MetricComparison:
    share_a, share_b = a.summary.error_share, b.summary.error_share
    verdict: Literal["no difference", "not enough data"] = "no difference" if share_a == share_b else "not enough data"
    return MetricComparison(metric="errors", unit="share", a=share_a, b=share_b, ratio=None, verdict=verdict)
