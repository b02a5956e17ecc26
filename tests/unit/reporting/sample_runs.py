"""What all sample records are made of: one machine, one moment, and runs out of a seeded random generator.

So golden files stay the same.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hdrh.histogram import HdrHistogram

from perfloop.records import Environment, ErrorKind, Figures, LoadResults, LoadSummary, SeriesPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

ENVIRONMENT = Environment(
    python="3.11.2",
    implementation="CPython",
    system="Linux 6.1.0",
    machine="x86_64",
    cpu_count=2,
    memory_bytes=8_200_000_000,
)
CREATED = "2026-03-14T09:26:53+00:00"
VERSION = "0.1.0"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def encoded(latencies_ms: Sequence[float]) -> str:
    """The latencies as an HdrHistogram, the way records hold them."""
    histogram = HdrHistogram(1, 3_600_000_000, 3)
    for latency in latencies_ms:
        histogram.record_value(max(1, round(latency * 1000)))
    text: str = histogram.encode().decode("ascii")
    return text


def figures_of(values: Sequence[float]) -> Figures:
    """Mean, percentiles and maximum of the values."""
    if not values:
        return Figures()
    ordered = sorted(values)

    def rank(q: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(q * len(ordered)))], 3)

    return Figures(
        mean=round(sum(ordered) / len(ordered), 3),
        p50=rank(0.5),
        p95=rank(0.95),
        p99=rank(0.99),
        p999=rank(0.999),
        max=round(ordered[-1], 3),
    )


def run(
    *,
    seconds: int,
    rate: int,
    typical_ms: float,
    spread: float = 0.35,
    seed: int = 7,
    errors_in: range = range(0),
    stall_at: int | None = None,
) -> tuple[LoadSummary, LoadResults]:
    """One run of the load engine with log-normal latencies, errors in some seconds, and perhaps one stall."""
    random_source = random.Random(seed)
    series, latencies, failed = [], [], 0
    for second in range(seconds):
        values = [random_source.lognormvariate(0, spread) * typical_ms for _ in range(rate)]
        if second == stall_at:
            values = [value + random_source.uniform(200, 1400) for value in values]
        errors = rate // 10 if second in errors_in else 0
        failed += errors
        latencies += values
        now = figures_of(values)
        series.append(
            SeriesPoint(
                second=second,
                requests=rate,
                errors=errors,
                bytes_received=rate * 2_150,
                in_flight=max(1, round(rate * typical_ms / 1000)),
                p50_ms=now.p50,
                p99_ms=now.p99,
                max_ms=now.max,
            )
        )
    requests = rate * seconds
    summary = LoadSummary(
        requests=requests,
        errors=failed,
        rate=float(rate),
        elapsed_seconds=float(seconds),
        bytes_received=requests * 2_150,
        bytes_per_second=rate * 2_150.0,
        latency_ms=figures_of(latencies),
        service_time_ms=figures_of([value * 0.94 for value in latencies]),
        queue_ms=figures_of([value * 0.05 for value in latencies]),
        send_lag_ms=figures_of([random_source.uniform(0.01, 0.09) for _ in range(requests)]),
        generator_cpu_seconds=round(requests * 0.00004, 3),
        trustworthy=True,
    )
    kinds = (
        [
            ErrorKind(kind="status 503", count=failed * 3 // 4, example="GET /orders?page=1: 503 Service Unavailable"),
            ErrorKind(
                kind="connection reset",
                count=failed - failed * 3 // 4,
                example="GET /orders?page=1: connection reset by peer after 212 of 2,150 bytes",
            ),
        ]
        if failed
        else []
    )
    statuses = {"200": requests - failed} | ({"503": failed * 3 // 4} if failed else {})
    results = LoadResults(
        statuses=statuses,
        error_kinds=kinds,
        series=series,
        latency_histogram=encoded(latencies),
        service_time_histogram=encoded([value * 0.94 for value in latencies]),
    )
    return summary, results
