"""The record of a capacity search."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from .kinds import Figures, Interval, LoadPlan, Record

__all__ = ["CapacityPoint", "CapacityProbe", "CapacityRecord", "UslFit"]


class CapacityProbe(Struct, frozen=True, kw_only=True):
    """One probe of a capacity search: so much load for so long, and whether the service met its targets under it."""

    model: Literal["open", "closed"]
    """A few closed probes find where the throughput stops growing; open ones are judged."""
    rate: float | None
    """Requests a second asked of the service; None in the closed model."""
    connections: int
    """The most requests in flight."""
    seconds: float
    """How long requests were due; less than was planned where overload was clear before."""
    ended_early: bool = False
    """The targets were missed beyond doubt: the figures are of the time until then."""
    requests: int
    errors: int
    throughput: float
    """Requests answered without error, a second."""
    latency_ms: Figures
    falling_behind: float | None = None
    """Seconds of latency gained a second: above 0 the queue grows without end. None: too few requests to tell."""
    waited: float = 0.0
    """Share of the requests that waited for a free connection."""
    verdict: Literal["met", "missed", "too few samples", "untrustworthy", "measured"]
    """`measured`: a closed probe, which is not judged."""
    reasons: list[str] = field(default_factory=list)
    recovery_seconds: float = 0.0
    """How long the service needed afterwards until it answered a single request as fast as before."""


class CapacityPoint(Struct, frozen=True, kw_only=True):
    """One point of the latency–throughput curve: what the open probes at about this rate gave."""

    rate: float
    throughput: float
    p50_ms: float
    p99_ms: float
    probes: int
    met: int
    """How many of the probes met every target."""
    missed: int
    """How many missed one; the others had too few samples to tell."""
    ended_early: int = 0
    """How many of those were ended as soon as the targets were missed beyond doubt."""


class UslFit(Struct, frozen=True, kw_only=True):
    """The Universal Scalability Law, X(N) = λN / (1 + σ(N - 1) + κN(N - 1)), through the closed probes."""

    rate_of_one: float
    """λ: requests a second with one in flight."""
    contention: float
    """σ"""
    coherency: float
    """κ"""
    peak_in_flight: float | None
    """None: throughput rises towards a limit, without a peak."""
    peak_rate: tuple[float, float, float | None]
    """Requests a second at the peak, or the limit; 90 % confidence, null where the points set no upper end."""
    r_squared: float


class CapacityRecord(Record, frozen=True, kw_only=True, tag="capacity"):
    """The record of `perfloop capacity`."""

    target: str
    plan: LoadPlan
    """What the probes have in common: requests, arrivals, the most connections."""
    goals: list[str]
    """What a rate must meet to count: `p99<200ms`, `errors<0.1%`."""
    precision: float
    """The width of the interval that was asked for, as a share of the estimate."""
    confidence: float
    verdict: Literal["found", "at least", "never met", "not enough data"]
    capacity_rps: Interval | None
    """The highest rate that meets the goals; low and high are the interval's ends."""
    highest_met_rps: float | None
    """The highest rate at which a probe met every goal."""
    limited_by: Literal["service", "generator", "connections", "time", "interruption"]
    """What ended the search: `service` is the answer looked for."""
    reasons: list[str]
    probes: list[CapacityProbe]
    curve: list[CapacityPoint]
    usl: UslFit | None = None
    usl_missing: str | None = None
    """Why there is no fit."""
