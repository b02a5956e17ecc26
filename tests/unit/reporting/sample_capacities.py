"""Records of capacity searches."""

from __future__ import annotations

import msgspec

from perfloop.records import CapacityPoint, CapacityProbe, CapacityRecord, Figures, LoadPlan, UslFit

from .sample_runs import ENVIRONMENT

RAMP = {1: 98.7, 2: 196.2, 4: 390.9, 8: 410.1, 16: 399.6}
CURVE = (
    (359.6, 358.8, 10.7, 13.2, 1, 1, 0, 0),
    (392.0, 391.2, 10.4, 18.5, 2, 2, 0, 0),
    (402.1, 396.2, 22.1, 32.7, 3, 1, 2, 0),
    (446.4, 397.0, 292.1, 494.8, 1, 0, 1, 1),
)


def _closed(in_flight: int, throughput: float) -> CapacityProbe:
    latency = 1000 * in_flight / throughput
    return CapacityProbe(
        model="closed",
        rate=None,
        connections=in_flight,
        seconds=0.5,
        requests=round(throughput / 2),
        errors=0,
        throughput=throughput,
        latency_ms=Figures(mean=latency, p50=latency, p95=latency, p99=latency, p999=latency, max=latency),
        verdict="measured",
    )


def _open(rate: float, throughput: float, p50: float, p99: float, met: bool) -> CapacityProbe:
    return CapacityProbe(
        model="open",
        rate=rate,
        connections=64,
        seconds=4.0,
        requests=round(4 * rate),
        errors=0,
        throughput=throughput,
        latency_ms=Figures(mean=p50, p50=p50, p95=p99, p99=p99, p999=p99, max=p99),
        falling_behind=0.0001 if met else 0.119,
        verdict="met" if met else "missed",
        reasons=[] if met else ["latency grew by 119 ms a second: the queue grows without end"],
        recovery_seconds=0.0 if met else 0.25,
    )


def capacity() -> CapacityRecord:
    """One that found it."""
    return CapacityRecord(
        environment=ENVIRONMENT,
        perfloop="0.1.0",
        created="2026-11-24T10:00:00+00:00",
        command=["perfloop", "capacity", "http://127.0.0.1:8000/orders"],
        target="http://127.0.0.1:8000/orders",
        plan=LoadPlan(model="open", connections=512, requests=["GET /orders"], arrival="constant"),
        goals=["p99<100ms", "errors<=0.1%"],
        precision=0.1,
        confidence=0.95,
        verdict="found",
        capacity_rps=(378.9, 399.6, 414.0),
        highest_met_rps=401.2,
        limited_by="service",
        reasons=[],
        probes=[
            *(_closed(in_flight, throughput) for in_flight, throughput in RAMP.items()),
            *(_open(*point[:4], met=bool(point[5])) for point in CURVE),
        ],
        curve=[
            CapacityPoint(
                rate=rate,
                throughput=x,
                p50_ms=p50,
                p99_ms=p99,
                probes=probes,
                met=met,
                missed=missed,
                ended_early=early,
            )
            for rate, x, p50, p99, probes, met, missed, early in CURVE
        ],
        usl=UslFit(
            rate_of_one=102.7,
            contention=0.0031,
            coherency=0.0135,
            peak_in_flight=8.6,
            peak_rate=(400.4, 463.6, 492.3),
            r_squared=0.96,
        ),
    )


def limited_capacity() -> CapacityRecord:
    """One whose generator could do no more."""
    return msgspec.structs.replace(
        capacity(),
        verdict="at least",
        capacity_rps=None,
        limited_by="generator",
        reasons=["at 402.1 requests/s: the generator sent late: p99 send lag 26.1 ms, allowed 5 ms"],
        usl=None,
        usl_missing="throughput still grew in proportion with 16 in flight: there is no knee to fit",
    )


def hopeless_capacity() -> CapacityRecord:
    """One in which no rate met the targets."""
    record = capacity()
    return msgspec.structs.replace(
        record,
        verdict="never met",
        capacity_rps=None,
        highest_met_rps=None,
        reasons=["at 12.3 requests/s: p99<100ms: measured 494 ms"],
        curve=[msgspec.structs.replace(point, met=0, missed=point.probes) for point in record.curve],
    )


def interrupted_capacity() -> CapacityRecord:
    """One that was stopped."""
    return msgspec.structs.replace(
        capacity(),
        partial=True,
        verdict="not enough data",
        capacity_rps=(335.0, 382.0, 461.8),
        limited_by="interruption",
        reasons=["interrupted before the answer was as precise as asked"],
    )


def early_capacity() -> CapacityRecord:
    """One that was stopped in its first probe."""
    return msgspec.structs.replace(
        interrupted_capacity(),
        capacity_rps=None,
        highest_met_rps=None,
        probes=capacity().probes[:1],
        curve=[],
        usl=None,
        usl_missing="1 trustworthy closed probes are too few for a scalability law, 4 are needed",
    )
