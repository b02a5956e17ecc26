"""What a load test was asked to do, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perfloop.units import format_duration

from . import figures

if TYPE_CHECKING:
    from perfloop.records import LoadPlan

__all__ = ["plan_in_words"]


def plan_in_words(plan: LoadPlan) -> list[str]:
    """What the load test was asked to do, a few words each."""
    words = [
        f"open model, {figures.per_second(plan.rate)} {plan.arrival or 'constant'}"
        if plan.model == "open" and plan.rate is not None
        else f"{plan.model} model",
        figures.plural(plan.connections, "connection"),
    ]
    if plan.duration_seconds is not None:
        words.append(format_duration(plan.duration_seconds))
    if plan.request_limit is not None:
        words.append(f"at most {figures.plural(plan.request_limit, 'request')}")
    return words
