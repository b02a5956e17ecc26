"""What a rate must meet to count towards the capacity: conditions on latency and errors. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...exceptions import InvalidValue
from ...thresholds import Condition, holds, parse_condition, quantile
from ...units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...stats import Histogram
    from ...targets import Targets

__all__ = ["DEFAULT_ERRORS", "goals_of", "missed", "parse_goals", "samples_needed"]

DEFAULT_ERRORS = "errors<=0.1%"
"""Holds unless another goal speaks of errors: a service that refuses what it cannot do would have no capacity."""
_ZERO_IN = 3.0
"""No value above a limit among so many expected there puts the percentile below it at 95 % (the rule of three)."""


def goals_of(targets: Targets) -> tuple[str, ...]:
    """The latency targets as goals: `p50<=100ms`. Rates and resources are no goals of a probe."""
    latencies = (("p50", targets.latency_p50), ("p95", targets.latency_p95), ("p99", targets.latency_p99))
    return tuple(f"{name}<={1000 * limit:.12g}ms" for name, limit in latencies if limit is not None)


def parse_goals(texts: Sequence[str], *, where: str = "targets") -> tuple[Condition, ...]:
    """The goals, with one on errors added where there is none.

    Raises:
        InvalidValue: no condition, one that a higher rate could only help to meet, or one on something else than
            latency or the share of errors.
    """
    goals = []
    for text in texts:
        goal = parse_condition(text, where=where)
        hint = 'for example "p99<200ms" or "errors<0.1%"'
        if goal.metric == "errors":
            if goal.unit != "%":
                raise InvalidValue(
                    "Expected a share of errors: probes differ in length", got=text, where=where, hint=hint
                )
        elif goal.metric not in ("mean", "max") and quantile(goal.metric) is None:
            raise InvalidValue("Expected a target for latency or errors", got=text, where=where, hint=hint)
        if goal.comparison not in ("<", "<="):
            raise InvalidValue("Expected what the service must stay below: < or <=", got=text, where=where, hint=hint)
        goals.append(goal)
    if not any(goal.metric == "errors" for goal in goals):
        goals.append(parse_condition(DEFAULT_ERRORS))
    return tuple(goals)


def samples_needed(goals: Sequence[Condition]) -> int:
    """How many requests a probe needs before it can be said to have met the goals: 300 for a p99."""
    beyond = [1 - q / 100 for goal in goals if (q := quantile(goal.metric)) is not None]
    return round(max((_ZERO_IN / share for share in beyond if share > 0), default=30.0))


def missed(goals: Sequence[Condition], latency: Histogram, requests: int, errors: int) -> list[str]:
    """The goals that were not met, in words with what was measured; without requests every goal is missed."""
    found = []
    for goal in goals:
        if goal.metric == "errors":
            measured = 100 * errors / requests if requests else 100.0
            if not holds(goal, measured):
                found.append(f"{goal.expression}: {measured:.3g} % of {requests:,} requests failed")
            continue
        if not latency.count:
            found.append(f"{goal.expression}: no request was answered")
            continue
        q = quantile(goal.metric)
        us = latency.percentile(q) if q is not None else latency.mean if goal.metric == "mean" else latency.max
        if not holds(goal, us / 1000):
            found.append(f"{goal.expression}: measured {format_duration(us / 1e6)}")
    return found
