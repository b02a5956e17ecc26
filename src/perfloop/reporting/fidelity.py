"""How far an imported load was from its recording, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import figures

if TYPE_CHECKING:
    from perfloop.records import RecordingFidelity

__all__ = ["fidelity_in_words"]

_NAMES = {"curl": "curl commands", "har": "HAR", "openapi": "OpenAPI document", "access-log": "access log"}
_REASONS_SHOWN = 5
_LONGEST_TEXT = 300


def fidelity_in_words(fidelity: RecordingFidelity) -> list[str]:
    """One line each: what was sent of it, how far that is from it, what could not be sent, and what else to know."""
    speed = "" if fidelity.speed is None else f", as they came, at {fidelity.speed:g}× their speed"
    name = _NAMES.get(fidelity.format, figures.clean(fidelity.format))
    lines = [
        f"{figures.plural(fidelity.recorded, 'request')} in the {name}, {figures.count(fidelity.sent)} sent{speed}",
    ]
    errors = []
    if fidelity.mix_distance is not None:
        errors.append(f"mix of endpoints off by {figures.share(fidelity.mix_distance)}")
    if fidelity.arrival_error_p99_ms is not None:
        errors.append(f"times off by {figures.milliseconds(fidelity.arrival_error_p99_ms)} (p99)")
    if errors:
        lines.append(" · ".join(errors))
    if fidelity.skipped:
        reasons = [f"{figures.count(count)} × {figures.clean(reason)}" for reason, count in fidelity.skipped.items()]
        shown = "; ".join(reasons[:_REASONS_SHOWN]) + (" …" if len(reasons) > _REASONS_SHOWN else "")
        lines.append(f"not sent: {figures.share(fidelity.skipped_share)} of them: {shown}")
    lines += map(figures.clean, fidelity.notes)
    return [figures.shorten(line, _LONGEST_TEXT) for line in lines]
