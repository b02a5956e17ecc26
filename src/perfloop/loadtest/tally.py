"""Distributions of a run under way as counts of buckets: what Prometheus and OpenTelemetry take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from ..telemetry import DEFAULT_BUCKETS

if TYPE_CHECKING:
    from ..stats import Histogram

__all__ = ["BUCKETS", "Tally", "tally"]

BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, *DEFAULT_BUCKETS)
"""Upper bounds in seconds: OpenTelemetry's for HTTP, and finer ones below, where send lag and fast services are."""

_BOUNDS_US = tuple(round(bound * 1e6) for bound in BUCKETS)


class Tally(Struct, frozen=True, kw_only=True):
    """Durations counted so far; tallies of several generators add up by component."""

    counts: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    """How many do not exceed each of BUCKETS, and how many there are at all."""
    sum: float = 0.0
    """Seconds."""


def tally(*histograms: Histogram) -> Tally:
    """What the histograms hold together; bounds are within their resolution, 0.1 %."""
    parts = [histogram.counts_within(_BOUNDS_US) for histogram in histograms]
    return Tally(
        counts=tuple(map(sum, zip(*parts, strict=True))),
        sum=sum(histogram.sum for histogram in histograms) / 1e6,
    )
