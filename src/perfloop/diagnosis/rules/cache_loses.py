"""cache-loses: looking up at a shared level of a cache takes longer than loading what it found would have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_duration
from ..cache_use import cache_uses
from .rule import Rule, finding

if TYPE_CHECKING:
    from ...records import Finding
    from ..evidence import Evidence

__all__ = ["RULE"]

NAME = "cache-loses"
_FEW_LOOKUPS, _FEW_LOADS = 200, 10
_LITTLE = 0.5


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for use in cache_uses(evidence):
        cache = use.figures
        losing = [
            level
            for level in cache.levels[1:]
            if level.lookups >= _FEW_LOOKUPS and level.lookup_seconds > level.saved_seconds
        ]
        spent = sum(level.lookup_seconds for level in cache.levels[1:])
        if not losing or cache.loads < _FEW_LOADS or not use.looking_up.any():
            continue
        level = max(losing, key=lambda each: each.lookup_seconds - each.saved_seconds)
        # Of the time that requests look up at all levels, what goes to this one; without it, its hits are loaded.
        net = max((level.lookup_seconds - level.saved_seconds) / spent, 0.0)
        little, estimate, much = (use.looking_up * part for part in (_LITTLE * net, net, level.lookup_seconds / spent))
        prediction = evidence.predict(
            use.without(evidence, little), use.without(evidence, estimate), use.without(evidence, much), use.route
        )
        if not evidence.is_material(prediction, use.route):
            continue
        each = level.lookup_seconds / level.lookups
        findings.append(
            finding(
                rule=NAME,
                title=f"level {level.name} of cache {cache.name} costs more than it saves",
                route=use.route,
                place=use.place(evidence),
                evidence=(
                    f"{level.lookups:,.0f} look-ups of {format_duration(each)} took "
                    f"{format_duration(level.lookup_seconds)}; it found {level.hits / level.lookups:.1%}, which saved "
                    f"{format_duration(level.saved_seconds)}, since a load takes "
                    f"{format_duration(cache.mean_load_seconds)}"
                ),
                fix=f"leave the level {level.name} out of the cache {cache.name}",
                cost="what one process has loaded the others load again, and only a backplane tells them of changes",
                prediction=prediction,
                measures={
                    "cache": cache.name,
                    "level": level.name,
                    "hit_ratio": level.hits / level.lookups,
                    "look_up_ms": each * 1e3,
                    "load_ms": cache.mean_load_seconds * 1e3,
                },
            )
        )
    return findings


RULE = Rule(NAME, "a level of a cache that takes longer than what it finds saves", _find)
