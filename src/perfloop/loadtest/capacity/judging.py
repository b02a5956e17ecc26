"""What one probe says: did the service meet the goals at this rate, and would it have gone on meeting them? Pure.

Above the capacity of a service its queue grows for as long as the load lasts, so how much latency a probe measures
depends on how long it runs. Therefore a probe in which latency grows steadily has missed its goals, whatever it
measured, and one whose queue grows beyond doubt is ended early.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from msgspec import Struct

from ...records import CapacityProbe, Figures
from ...stats import Histogram
from ...units import format_duration
from ..recording import figures
from ..trust import LAG_SHARE, untrustworthy_reasons
from .goals import missed, samples_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...records import LoadSummary
    from ...thresholds import Condition
    from ..outcome import LoadOutcome, Progress
    from ..trust import GeneratorFacts

__all__ = [
    "SETTLING",
    "OverloadWatch",
    "Trend",
    "closed_probe",
    "errors_allowed",
    "falling_behind",
    "open_probe",
    "recovered",
]

_Verdict = Literal["met", "missed", "too few samples", "untrustworthy"]

SETTLING = 0.2
"""The share of a probe, at its start, that is not judged: queues begin empty and fill."""
_BLOCKS = 10
_LEAST_IN_BLOCK = 5
_LEAST_SLOPE = 0.005
"""Seconds of latency gained a second that matter: a rate half a percent above what the service completes."""
_CERTAIN = 3.5
"""The slope in standard errors from which on it is no chance."""
_RISE = 0.25
"""The least rise over the probe, as a share of the latency at its start."""
_RECOVERED_WITHIN = 2e-3
_LAG_OF_GOAL = 0.1
"""The p99 of the send lag may be so much of the tightest latency goal: the capacity is then off by far less, since near
it latency rises steeply."""
_HELD_UP_FORGIVEN = 0.1
"""The share of a probe for which the generator may be held up besides: the requests of that time come late and
together, which shows in the send lag, but none of them is left out."""
_BEYOND_CHANCE = 6.0
"""Standard deviations of a Poisson count: no queue of random arrivals grows so far by luck."""


class Trend(Struct, frozen=True):
    """How latency moved over a probe."""

    slope: float
    """Seconds of latency gained a second."""
    growing: bool
    """It grew steadily and enough to matter: the service falls behind."""


def falling_behind(due: NDArray[np.float64], latency: NDArray[np.float64]) -> Trend | None:
    """The trend of latency (seconds) against the time requests were due (seconds); None with fewer than 50 requests.

    A straight line through the medians of ten blocks of the time: an overload of 2 % gains 20 ms a second, while a
    stall in one block moves no median but its own.
    """
    if due.size < _BLOCKS * _LEAST_IN_BLOCK or np.ptp(due) <= 0:
        return None
    order = np.argsort(due, kind="stable")
    times = np.array([part.mean() for part in np.array_split(due[order], _BLOCKS)])
    medians = np.array([float(np.median(part)) for part in np.array_split(latency[order], _BLOCKS)])
    centred = times - times.mean()
    spread = float(centred @ centred)
    slope = float(centred @ medians) / spread
    left = medians - medians.mean() - slope * centred
    error = math.sqrt(float(left @ left) / (_BLOCKS - 2) / spread)
    rise = slope * float(np.ptp(times))
    growing = slope > _LEAST_SLOPE and slope > _CERTAIN * error and rise > _RISE * float(medians[:2].min())
    return Trend(slope, growing)


class OverloadWatch:
    """Tells during a probe that the service is overloaded beyond doubt, so that it need not suffer any longer.

    Args:
        rate: requests a second asked for.
        seconds: how long the probe is to run.
        latency: seconds one request takes by itself.
        errors: the share of errors allowed.
    """

    def __init__(self, rate: float, seconds: float, *, latency: float, errors: float) -> None:
        self._rate = rate
        self._latency = latency
        self._most_errors = 10 + errors * rate * seconds
        self._seen: deque[tuple[float, int]] = deque(maxlen=1000)
        self.reason: str | None = None
        """Why the probe need not go on."""

    def update(self, progress: Progress) -> bool:
        """Take the latest figures; True when the probe is lost."""
        elapsed, waiting = progress.elapsed, progress.in_flight + progress.backlog
        self._seen.append((elapsed, waiting))
        if progress.errors > self._most_errors:
            self.reason = f"{progress.errors:,} of {progress.requests:,} requests failed"
        # Requests that are being answered are no queue; they fill up first.
        elif elapsed >= 0.5 + 4 * self._latency:
            excess = waiting - 2 * self._rate * self._latency
            half_way = next((count for at, count in self._seen if at >= elapsed / 2), waiting)
            if excess > _BEYOND_CHANCE * math.sqrt(self._rate * elapsed) and waiting > 1.3 * half_way:
                self.reason = (
                    f"overloaded: {waiting:,} requests waited after {format_duration(round(elapsed, 2))}, ever more"
                )
        return self.reason is not None


def open_probe(
    outcome: LoadOutcome, *, goals: Sequence[Condition], seconds: float, lost: str | None = None
) -> CapacityProbe:
    """What an open run with kept samples says of the rate it asked for.

    Args:
        outcome: of the run.
        goals: what to meet.
        seconds: for how long requests were to be due.
        lost: why the run was ended early.
    """
    samples, summary, plan = outcome.samples, outcome.summary, outcome.plan
    assert samples is not None
    assert plan.rate is not None
    lasted = seconds if lost is None else min(seconds, summary.elapsed_seconds)
    if not len(samples):
        judged, trend, waited, latency, errors = 0, None, 0.0, Histogram(), 0
    else:
        start = float(samples.due.min())
        kept = samples.due >= start + SETTLING * lasted
        judged = int(np.count_nonzero(kept))
        # A request that failed counts with the time until it did: one that was given up waited at least so long.
        took = (samples.done - samples.due)[kept]
        latency = Histogram(np.rint(took * 1e6).astype(np.int64))
        trend = falling_behind(samples.due[kept] - start, took)
        # Those that never got a connection have a NaN there, and waited too.
        waited = float(np.mean(~(samples.free - samples.due < 1e-4)))
        errors = round(summary.errors / max(summary.requests, 1) * judged)
    verdict, reasons = _verdict(outcome, goals, judged, latency, errors, trend, lost)
    return CapacityProbe(
        model="open",
        rate=plan.rate,
        connections=plan.connections * (plan.streams or 1),
        seconds=lasted,
        ended_early=lost is not None,
        requests=summary.requests,
        errors=summary.errors,
        throughput=(summary.requests - summary.errors) / max(summary.elapsed_seconds, 1e-9),
        latency_ms=figures(latency) if latency.count else Figures(),
        falling_behind=None if trend is None else trend.slope,
        waited=waited,
        verdict=verdict,
        reasons=reasons,
    )


def closed_probe(outcome: LoadOutcome) -> CapacityProbe:
    """What a closed run says: throughput and latency with so many in flight. It is not judged."""
    summary = outcome.summary
    return CapacityProbe(
        model="closed",
        rate=None,
        connections=outcome.plan.connections * (outcome.plan.streams or 1),
        seconds=summary.elapsed_seconds,
        requests=summary.requests,
        errors=summary.errors,
        throughput=(summary.requests - summary.errors) / max(summary.elapsed_seconds, 1e-9),
        latency_ms=summary.latency_ms,
        verdict="measured" if summary.trustworthy else "untrustworthy",
        reasons=[*summary.reasons, *_example(outcome)],
    )


def _verdict(
    outcome: LoadOutcome,
    goals: Sequence[Condition],
    judged: int,
    latency: Histogram,
    errors: int,
    trend: Trend | None,
    lost: str | None,
) -> tuple[_Verdict, list[str]]:
    doubts = list(outcome.summary.reasons) if outcome.facts is None else _doubts(outcome.facts, goals)
    if doubts:
        return "untrustworthy", doubts
    reasons = [] if lost is None else [lost]
    if lost is None and trend is not None and trend.growing:
        reasons.append(f"latency grew by {format_duration(trend.slope)} a second: the queue grows without end")
    reasons += missed(goals, latency, judged, errors)
    if reasons:
        return "missed", [*reasons, *_example(outcome)]
    needed = samples_needed(goals)
    if judged < needed:
        return "too few samples", [f"{judged:,} requests to judge by, {needed:,} needed"]
    return "met", []


def _doubts(facts: GeneratorFacts, goals: Sequence[Condition]) -> list[str]:
    """Why the outcome may be the generator's rather than the service's.

    What lateness matters is set by the tightest latency goal here, not by the latency measured: 2 ms of it do not make
    a service miss 200 ms. Whether a probe is believed must not depend on its outcome: lateness only adds to latency,
    but keeping what was met in spite of it, and repeating what was missed, would favour luck.
    """
    tightest = min((goal.limit / 1000 for goal in goals if goal.unit == "ms"), default=0.0)
    forgiven = _HELD_UP_FORGIVEN * facts.elapsed
    return untrustworthy_reasons(
        msgspec.structs.replace(
            facts,
            latency_p50=max(facts.latency_p50, _LAG_OF_GOAL / LAG_SHARE * tightest),
            held_up=max(0.0, facts.held_up - forgiven),
        )
    )


def _example(outcome: LoadOutcome) -> list[str]:
    """One error in words, where there were some."""
    return [f"for example {kind.example}" for kind in outcome.results.error_kinds[:1]]


def errors_allowed(goals: Sequence[Condition]) -> float:
    """The share of requests that may fail."""
    return min((goal.limit / 100 for goal in goals if goal.metric == "errors"), default=1.0)


def recovered(summary: LoadSummary, baseline: float) -> bool:
    """Whether a service answers single requests again as it did at first (`baseline`, seconds)."""
    limit_ms = 1000 * (2 * baseline + _RECOVERED_WITHIN)
    return summary.requests > 0 and not summary.errors and summary.latency_ms.p50 <= limit_ms
