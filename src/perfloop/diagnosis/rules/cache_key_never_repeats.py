"""cache-key-never-repeats: a part of the key is different in every call, so that nothing is ever found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...units import format_duration
from ..cache_use import cache_uses
from .rule import Rule, finding

if TYPE_CHECKING:
    from ...records import Finding
    from ...telemetry.caches import CacheFigures, KeyPart
    from ..evidence import Evidence

__all__ = ["RULE"]

NAME = "cache-key-never-repeats"
_FEW_LOOKUPS = 200
_NOTHING_FOUND = 0.02
_ALWAYS_NEW, _FEWER_KEYS = 0.95, 0.5
"""Of the sampled keys: a part that has nearly as many values, without which there are half as many or less."""
_LITTLE = 0.5


def _find(evidence: Evidence) -> list[Finding]:
    findings = []
    for use in cache_uses(evidence):
        cache, part = use.figures, _unique_part(use.figures)
        if part is None or cache.lookups < _FEW_LOOKUPS or (cache.hit_ratio or 0) > _NOTHING_FOUND:
            continue
        saved = 1.0 - part.without / cache.about.sampled
        prediction = use.predict(evidence, use.loading, (_LITTLE * saved, saved, 1.0))
        if not evidence.is_material(prediction, use.route):
            continue
        keys = ", ".join(cache.about.keys)
        findings.append(
            finding(
                rule=NAME,
                title=f"keys of cache {cache.name} never repeat",
                route=use.route,
                place=use.place(evidence),
                evidence=(
                    f"{cache.hit_ratio or 0:.1%} of {cache.lookups:,.0f} look-ups found something; of "
                    f"{cache.about.sampled} keys ({keys}) {part.name} is different in {part.distinct}, and without it "
                    f"they are {part.without}; a load takes {format_duration(cache.mean_load_seconds)}"
                ),
                fix=f"leave {part.name} out of the key, if the result does not depend on it; else leave the cache out",
                cost="none if it does not matter to the result; if it does, callers get each other's: look before",
                prediction=prediction,
                measures={
                    "cache": cache.name,
                    "part": part.name,
                    "keys": float(cache.about.sampled),
                    "keys_without": float(part.without),
                },
            )
        )
    return findings


def _unique_part(cache: CacheFigures) -> KeyPart | None:
    """The part that keeps keys from being the same again."""
    sampled = cache.about.sampled
    unique = [
        part
        for part in cache.about.parts
        if part.distinct >= _ALWAYS_NEW * sampled and part.without <= _FEWER_KEYS * sampled
    ]
    return min(unique, key=lambda part: part.without, default=None)


RULE = Rule(NAME, "a cache whose keys have a part that is different in every call", _find)
