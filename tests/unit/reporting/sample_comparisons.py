"""Records of comparisons, as the command writes them, and odd ones."""

from __future__ import annotations

import msgspec

from perfloop.records import ComparisonRecord, MetricComparison

from .sample_runs import CREATED, ENVIRONMENT, VERSION


def comparison() -> ComparisonRecord:
    """Before against after a fix: clearly faster."""
    return ComparisonRecord(
        perfloop=VERSION,
        created=CREATED,
        environment=ENVIRONMENT,
        command=[
            "perfloop",
            "compare",
            "--cmd",
            "uvicorn shop:app",
            "--cmd",
            "env SHOP_FIX=n_plus_one uvicorn shop:app",
        ],
        a="uvicorn shop:app",
        b="env SHOP_FIX=n_plus_one uvicorn shop:app",
        runs=6,
        confidence=0.95,
        metrics=[
            MetricComparison(
                metric="latency p99", unit="ms", a=412.3, b=69.8, ratio=(0.151, 0.169, 0.191), verdict="faster"
            ),
            MetricComparison(
                metric="latency p50", unit="ms", a=108.2, b=20.7, ratio=(0.186, 0.191, 0.197), verdict="faster"
            ),
            MetricComparison(
                metric="capacity", unit="requests/s", a=38.0, b=209.4, ratio=(5.2, 5.51, 5.83), verdict="faster"
            ),
            MetricComparison(
                metric="CPU per request", unit="ms", a=16.9, b=16.4, ratio=(0.93, 0.97, 1.02), verdict="no difference"
            ),
            MetricComparison(metric="errors", unit="share", a=0.0, b=0.0, ratio=None, verdict="not enough data"),
        ],
        verdict="faster",
    )


def slower_comparison() -> ComparisonRecord:
    """B is a little slower."""
    record = comparison()
    return msgspec.structs.replace(
        record,
        metrics=[
            MetricComparison(
                metric="latency p99", unit="ms", a=70.0, b=78.4, ratio=(1.08, 1.12, 1.17), verdict="slower"
            ),
            MetricComparison(
                metric="latency p50", unit="ms", a=20.7, b=20.6, ratio=(0.98, 0.995, 1.01), verdict="no difference"
            ),
        ],
        verdict="slower",
    )


def undecided_comparison() -> ComparisonRecord:
    """One run each: nothing can be said."""
    return msgspec.structs.replace(
        comparison(),
        runs=1,
        metrics=[
            MetricComparison(metric="latency p99", unit="ms", a=70.0, b=78.4, ratio=None, verdict="not enough data")
        ],
        verdict="not enough data",
        reasons=["1 run each: at least 3 are needed to tell a difference from noise"],
        partial=True,
    )


def empty_comparison() -> ComparisonRecord:
    """Interrupted before any run was over."""
    return msgspec.structs.replace(undecided_comparison(), runs=0, metrics=[], reasons=[])
