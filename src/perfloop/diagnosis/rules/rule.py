"""What a rule is, and how it states a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...records import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..evidence import Evidence
    from ..prediction import Prediction

__all__ = ["Rule", "finding", "others_wait", "plural"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its name on the command line and in records, and a pure function of the evidence."""

    name: str
    summary: str
    """What it finds, one line."""
    find: Callable[[Evidence], list[Finding]]


def finding(
    *,
    rule: str,
    title: str,
    route: str,
    place: Place,
    evidence: str,
    fix: str,
    cost: str,
    prediction: Prediction,
    measures: dict[str, float | str],
    loop: Place | None = None,
) -> Finding:
    """A finding with what its fix gains."""
    return Finding(
        rule=rule,
        title=title,
        route=route,
        place=place,
        evidence=evidence,
        fix=fix,
        cost=cost,
        predicted=prediction.predicted,
        share_of_p99=prediction.share_of_p99,
        share_of_time=prediction.share_of_time,
        others=list(prediction.others),
        measures=measures,
        loop=loop,
    )


def others_wait(evidence: Evidence, route: str) -> str:
    """The end of the evidence of what holds the event loop: who had to wait meanwhile."""
    others = [other for other in evidence.routes if other != route]
    return f"; meanwhile {', '.join(others[:3])} had to wait" if others else ""


def plural(count: float, noun: str) -> str:
    """`1 statement`, `51 statements`, `2.5 statements`."""
    number = f"{count:.0f}" if abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"
