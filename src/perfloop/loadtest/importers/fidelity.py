"""How far what was sent is from the recording it came from. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...records import RecordingFidelity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .imported import Imported

__all__ = ["fidelity", "mix_distance"]


def fidelity(
    imported: Imported,
    sent: NDArray[np.int64],
    *,
    speed: float | None = None,
    planned: NDArray[np.float64] | None = None,
    written: NDArray[np.float64] | None = None,
) -> RecordingFidelity:
    """How far a load test was from the recording it replayed.

    Args:
        imported: the recording.
        sent: how often each of its requests was sent.
        speed: how many times faster than recorded; None: the times were not replayed.
        planned: when each of those sent was to be, in seconds on any clock; None: nothing was planned.
        written: when it was, on the same clock.
    """
    # By label: which of ten thousand items a short run asked for is chance, which endpoints is not.
    labels = [request.label or str(number) for number, request in enumerate(imported.requests)]
    _, endpoints = np.unique(labels, return_inverse=True)
    recorded = np.bincount(endpoints, weights=[request.weight for request in imported.requests])
    error = None
    if planned is not None and written is not None and len(planned):
        error = float(np.percentile(np.abs(written - planned), 99)) * 1e3
    skipped = sum(each.count for each in imported.skipped)
    return RecordingFidelity(
        format=imported.format,
        recorded=imported.recorded,
        sent=int(sent.sum()),
        skipped={each.reason: each.count for each in imported.skipped},
        skipped_share=skipped / imported.recorded if imported.recorded else 0.0,
        mix_distance=mix_distance(recorded, np.bincount(endpoints, weights=sent)) if sent.any() else None,
        speed=speed,
        arrival_error_p99_ms=error,
        notes=list(imported.notes),
    )


def mix_distance(recorded: NDArray[Any], sent: NDArray[Any]) -> float:
    """The total variation distance between two mixes: the share of requests that would have to be others, 0 to 1.

    Args:
        recorded: how often each endpoint came.
        sent: how often each was sent, once or more in all.
    """
    return float(np.abs(recorded / recorded.sum() - sent / sent.sum()).sum() / 2)
