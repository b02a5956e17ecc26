"""Goals of a test: conditions as of `--fail-if`, but written as what must hold. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..exceptions import InvalidValue
from ..thresholds import parse_condition, parse_limit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..records import Threshold

__all__ = ["NO_ERRORS", "Goal", "GoalOutcome", "outcomes", "parse_goals"]

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


def outcomes(goals: Sequence[Goal], thresholds: Sequence[Threshold]) -> list[GoalOutcome]:
    """What became of the goals, from the thresholds that a record has for them, in the same order."""
    return [
        GoalOutcome(goal.text, threshold.measured, threshold.unit, not threshold.failed)
        for goal, threshold in zip(goals, thresholds, strict=True)
    ]
