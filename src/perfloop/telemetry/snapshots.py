"""What instruments held at one moment: plain data that exporters, the live page and the diagnosis read."""

from __future__ import annotations

from itertools import accumulate
from typing import Literal

from msgspec import Struct

from ..exceptions import InvalidValue

__all__ = ["Distribution", "FamilySnapshot", "Kind", "Merge", "Occurrence", "Occurrences", "Series"]

Kind = Literal["counter", "gauge", "histogram", "event"]
Merge = Literal["sum", "max"]
"""What the gauges of several processes make together."""


class Distribution(Struct, frozen=True, kw_only=True):
    """A histogram at one moment."""

    buckets: tuple[float, ...]
    """Upper bounds of the classic buckets, without the infinite one."""
    bounds: list[float]
    """Upper bounds of all cells, rising; cell `len(bounds)` holds what lies above the last."""
    cells: dict[int, int]
    """Count by cell, of the cells in use, in rising order."""
    count: int
    sum: float

    @property
    def mean(self) -> float:
        """The mean; 0 without observations."""
        return self.sum / self.count if self.count else 0.0

    def percentile(self, q: float) -> float:
        """The upper bound of the cell that `q` percent (0 to 100) of the values reach: at most 2.2 % above the value.

        0 without observations; the highest bound for values above it.

        Raises:
            InvalidValue: a percentile outside 0 … 100.
        """
        if not 0 <= q <= 100:
            raise InvalidValue("Expected a percentile from 0 to 100", got=q)
        if not self.count:
            return 0.0
        rank = max(int(q * self.count / 100 + 0.5), 1)
        index = next(
            cell for cell, reached in zip(self.cells, accumulate(self.cells.values()), strict=True) if reached >= rank
        )
        return self.bounds[min(index, len(self.bounds) - 1)]

    def cumulative(self) -> list[int]:
        """For each of `buckets` the count of values at or below it: exact, every bucket is a sum of whole cells."""
        counts: list[int] = []
        reached = 0
        remaining = list(self.cells.items())[::-1]
        for bound in self.buckets:
            while remaining and remaining[-1][0] < len(self.bounds) and self.bounds[remaining[-1][0]] <= bound:
                reached += remaining.pop()[1]
            counts.append(reached)
        return counts


class Occurrence(Struct, frozen=True, kw_only=True):
    """One time an event happened."""

    at: float
    """Seconds on the registry's clock."""
    attributes: dict[str, str | float | bool]


class Occurrences(Struct, frozen=True, kw_only=True):
    """An event at one moment."""

    count: int
    """All of them."""
    dropped: int
    """Those that gave way to newer ones before anybody took them."""
    kept: list[Occurrence]


class Series(Struct, frozen=True, kw_only=True):
    """One instrument at one moment, under its label values."""

    labels: tuple[str, ...]
    value: float | Distribution | Occurrences


class FamilySnapshot(Struct, frozen=True, kw_only=True):
    """A family at one moment."""

    name: str
    kind: Kind
    description: str
    unit: str
    label_names: tuple[str, ...]
    series: list[Series]
    merge: Merge = "sum"
    """What this makes with the same gauge of other processes; all else is added."""
