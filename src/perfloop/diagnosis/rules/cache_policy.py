"""cache-policy: what a cache throws away is what it is asked for next; another policy keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_duration
from .cache_too_small import find_better
from .rule import Rule, finding

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence

__all__ = ["RULE"]

NAME = "cache-policy"
_PARTS = (0.5, 1.0, 1.25)


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for use, better, part in find_better(evidence):
        cache, own = use.figures, use.figures.present
        if better.size != 1 or own is None:
            continue
        little, estimate, much = (part * each for each in _PARTS)
        prediction = use.predict(evidence, use.loading, (little, estimate, much))
        if not evidence.is_material(prediction, use.route):
            continue
        findings.append(
            finding(
                rule=NAME,
                title=f"cache {cache.name} keeps the wrong entries",
                route=use.route,
                place=use.place(evidence),
                evidence=(
                    f"with policy {own.policy} it finds {own.hit_ratio:.0%} of what it is asked for, and would find "
                    f"{better.hit_ratio:.0%} with {better.policy} in the same room ({own.lookups:,.0f} look-ups played "
                    f"with both); a load takes {format_duration(cache.mean_load_seconds)}"
                ),
                fix=f'policy="{better.policy}"',
                cost="what is hot may change: each policy has access patterns that it is bad at, see docs/caching.md",
                prediction=prediction,
                measures={
                    "cache": cache.name,
                    "hit_ratio": own.hit_ratio,
                    "hit_ratio_with_policy": better.hit_ratio,
                    "policy": better.policy,
                },
            )
        )
    return findings


RULE = Rule(NAME, "a cache whose policy throws away what is asked for next", _find)
