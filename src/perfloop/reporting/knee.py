"""The knee of a load curve: from where more in flight brings more latency, but no more throughput."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfloop.records import CurvePoint

__all__ = ["knee"]


def knee(curve: Sequence[CurvePoint], *, share: float = 0.95) -> CurvePoint | None:
    """The point with the fewest in flight whose throughput is at least `share` of the highest; None without a curve."""
    highest = max((point.rate for point in curve), default=0.0)
    reached = [point for point in curve if point.rate >= share * highest]
    return min(reached, key=lambda point: point.in_flight) if reached and highest > 0 else None
