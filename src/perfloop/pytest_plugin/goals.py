"""Goals of a test: conditions as of `--fail-if`, but written as what must hold. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import InvalidValue
from ..thresholds import enough_for, parse_condition, parse_limit, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..records import Threshold

__all__ = ["NO_ERRORS", "Goal", "GoalOutcome", "check_enough", "outcomes", "parse_goals"]

NO_ERRORS = "errors<=0"
"""The goal that is added where none is about errors: an application that fails fast is not fast."""

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


class Goal(NamedTuple):
    """One goal, and the `--fail-if` that says the same."""

    text: str
    fail_if: str


class GoalOutcome(NamedTuple):
    """One goal and what was measured, None where nothing was."""

    goal: str
    measured: float | None
    unit: str
    met: bool


def parse_goals(texts: Iterable[str]) -> list[Goal]:
    """The goals in `p99<50ms`, `errors<0.1%`, `rate>=450`; without one about errors, none may happen.

    Raises:
        InvalidValue: no condition, an unknown metric, operator or unit, or a limit (`p99>50ms`) in place of a goal.
    """
    goals = []
    metrics = set()
    for text in texts:
        try:
            condition = parse_condition(text)
        except InvalidValue as error:
            # The hints of --fail-if are written the other way round.
            near = error.hint if error.hint and "did you mean" in error.hint else None
            hint = near or 'for example "p99<50ms", "errors<0.1%" or "rate>=450"'
            raise InvalidValue(error.message, got=error.got, where="a goal of perfloop_slo", hint=hint) from error
        metric, _, limit = text.partition(condition.comparison)
        fail_if = f"{metric}{_OPPOSITE[condition.comparison]}{limit}"
        try:
            parse_limit(fail_if)
        except InvalidValue as error:
            raise InvalidValue(
                "Expected what must hold: a run that is slow, or has many errors, would meet this",
                got=text,
                where="a goal of perfloop_slo",
                hint=f'write "{fail_if.strip()}"',
            ) from error
        goals.append(Goal(text.strip(), fail_if))
        metrics.add(condition.metric)
    if "errors" not in metrics:
        metric, _, limit = NO_ERRORS.partition("<=")
        goals.append(Goal(NO_ERRORS, f"{metric}>{limit}"))
    return goals


def check_enough(goals: Sequence[Goal], rate: float, seconds: float) -> None:
    """See that a run makes enough requests to judge each goal by: no repetition would.

    Raises:
        InvalidValue: it cannot; says for how long to run.
    """
    for goal in goals:
        metric = parse_condition(goal.fail_if).metric
        q = quantile(metric.rpartition("_")[2])  # that of service_time_p99 too
        if q is None or q >= 100 or not 0 < rate * seconds < enough_for(q) - 0.5:
            continue
        raise InvalidValue(
            f"Expected at least {enough_for(q):,} requests to judge {metric} by",
            got=f"{rate:g} a second for {seconds:g} s",
            where="perfloop_slo",
            hint=f"duration={math.ceil(enough_for(q) / rate)}, or a percentile that needs fewer: "
            f"p95 {enough_for(95)}, p50 {enough_for(50)}",
        )


def outcomes(goals: Sequence[Goal], thresholds: Sequence[Threshold]) -> list[GoalOutcome]:
    """What became of the goals, from the thresholds that a record has for them, in the same order."""
    return [
        GoalOutcome(goal.text, threshold.measured, threshold.unit, not threshold.failed)
        for goal, threshold in zip(goals, thresholds, strict=True)
    ]
