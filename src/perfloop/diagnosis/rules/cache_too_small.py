"""cache-too-small: with twice or four times the room a cache would find much more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_bytes, format_duration
from ..cache_use import CacheUse, cache_uses
from .rule import Rule, finding

if TYPE_CHECKING:
    from ...records import Finding
    from ...telemetry.caches import GhostFigures
    from ..evidence import Evidence

__all__ = ["RULE", "find_better"]

NAME = "cache-too-small"
# What other sizes would find was estimated with the warm-up in it, and with nothing that expires: as if half of what
# it finds more were found, all of it, a quarter more.
_PARTS = (0.5, 1.0, 1.25)


def _find(evidence: Evidence) -> list[Finding]:
    return [
        each
        for use, better, part in find_better(evidence)
        if better.size > 1 and (each := _finding(evidence, use, better, part)) is not None
    ]


def find_better(evidence: Evidence) -> list[tuple[CacheUse, GhostFigures, float]]:
    """Caches that would find clearly more if they were changed, how, and which part of their loads that saves."""
    found = []
    for use in cache_uses(evidence):
        own, better = use.figures.present, use.figures.better
        if own is not None and better is not None and use.loading.any():
            found.append((use, better, (better.hit_ratio - own.hit_ratio) / max(1.0 - own.hit_ratio, 1e-9)))
    return found


def _finding(evidence: Evidence, use: CacheUse, better: GhostFigures, part: float) -> Finding | None:
    cache = use.figures
    own = cache.present
    prediction = use.predict(evidence, use.loading, tuple(part * each for each in _PARTS))  # type: ignore[arg-type]
    if own is None or not evidence.is_material(prediction, use.route):
        return None
    if cache.max_entries is not None:
        fix = f"max_entries={round(cache.max_entries * better.size / len(_processes(evidence))):d}"
    else:
        fix = f"max_weight={round((cache.max_bytes or 0) * better.size / len(_processes(evidence))):d}"
    more = "" if not cache.bytes else f", {format_bytes(cache.bytes * (better.size - 1))}"
    return finding(
        rule=NAME,
        title=f"cache {cache.name} is too small",
        route=use.route,
        place=use.place(evidence),
        evidence=(
            f"it finds {own.hit_ratio:.0%} of what it is asked for, and would find {better.hit_ratio:.0%} with "
            f"{better.size:g} times the room ({own.lookups:,.0f} look-ups played with sizes beside it); a load takes "
            f"{format_duration(cache.mean_load_seconds)}, and {part:.0%} of {cache.loads:,.0f} would not have been made"
        ),
        fix=fix,
        cost=f"memory: {better.size:g} times what its entries take now{more}",
        prediction=prediction,
        measures={
            "cache": cache.name,
            "hit_ratio": own.hit_ratio,
            "hit_ratio_with_more": better.hit_ratio,
            "times_the_size": better.size,
            "load_ms": cache.mean_load_seconds * 1e3,
        },
    )


def _processes(evidence: Evidence) -> set[int]:
    """Those that serve: each has a cache of its own, whose bounds are added up in the figures."""
    return {sample.pid for sample in evidence.observations.caches if sample.report.counts} or {0}


RULE = Rule(NAME, "a cache that would find much more if it were larger", _find)
