"""What the probes of a search show together: the latency–throughput curve, and the scalability law. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...records import CapacityPoint, UslFit
from ...stats import usl_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...records import CapacityProbe

__all__ = ["curve", "scalability"]

_SAME_RATE = 1.01
_WELL = 0.95
"""The share of the variance of the throughput that a fit must explain to be believed."""


def curve(probes: Sequence[CapacityProbe]) -> list[CapacityPoint]:
    """The trustworthy open probes in order of rate, those within 1 % of each other as one point."""
    judged = [probe for probe in probes if probe.rate is not None and probe.verdict != "untrustworthy"]
    groups: list[list[CapacityProbe]] = []
    for probe in sorted(judged, key=lambda probe: probe.rate or 0.0):
        assert probe.rate is not None
        if groups and probe.rate <= _SAME_RATE * (groups[-1][0].rate or 0.0):
            groups[-1].append(probe)
        else:
            groups.append([probe])
    return [_point(group) for group in groups]


def _point(group: Sequence[CapacityProbe]) -> CapacityPoint:
    def middle(values: Sequence[float]) -> float:
        return sorted(values)[len(values) // 2]

    return CapacityPoint(
        rate=sum(probe.rate or 0.0 for probe in group) / len(group),
        throughput=sum(probe.throughput for probe in group) / len(group),
        # Percentiles are never averaged: the middle probe's stand for the group.
        p50_ms=middle([probe.latency_ms.p50 for probe in group]),
        p99_ms=middle([probe.latency_ms.p99 for probe in group]),
        probes=len(group),
        met=sum(probe.verdict == "met" for probe in group),
        missed=sum(probe.verdict == "missed" for probe in group),
        ended_early=sum(probe.verdict == "missed" and probe.ended_early for probe in group),
    )


def scalability(probes: Sequence[CapacityProbe], *, seed: int = 0) -> UslFit | str:
    """The Universal Scalability Law through the closed probes, or why there is none.

    Only closed probes count: there the number in flight is set, and the throughput follows.
    """
    ramp = [probe for probe in probes if probe.verdict == "measured" and probe.throughput > 0]
    if len({probe.connections for probe in ramp}) < 4:
        return f"{len(ramp)} trustworthy closed probes are too few for a scalability law, 4 are needed"
    fit = usl_fit([probe.connections for probe in ramp], [probe.throughput for probe in ramp], seed=seed)
    if fit is None:
        return f"throughput still grew in proportion with {ramp[-1].connections} in flight: there is no knee to fit"
    if fit.r_squared < _WELL:
        return f"the scalability law explains only {fit.r_squared:.0%} of the throughput's variance"
    low, high = fit.peak_rate_interval
    return UslFit(
        rate_of_one=fit.rate_of_one,
        contention=fit.contention,
        coherency=fit.coherency,
        peak_in_flight=fit.peak if math.isfinite(fit.peak) else None,
        peak_rate=(low, fit.peak_rate, high if math.isfinite(high) else None),
        r_squared=fit.r_squared,
    )
