"""What a histogram counted since an earlier look at it, as it goes from one process to another."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Increment"]


class Increment(Struct, frozen=True, kw_only=True, array_like=True):
    """Counts by counter: twelve bytes for each that changed, whatever the number of values. See `Histogram.since`."""

    cells: bytes
    """Which counters changed, rising: int32, little endian."""
    counts: bytes
    """By how much: int64, little endian."""
    lowest: int
    """The lowest value so far, in microseconds."""
    highest: int
    overflow: int = 0
    underflow: int = 0
