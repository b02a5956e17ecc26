"""Many histograms filled at once: values that belong to different ones cost no more than values of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .counts import Counts
from .histogram import CELLS, HIGHEST_US, Histogram, cells_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .increment import Increment

__all__ = ["HistogramRows"]

_NONE = np.empty(0, dtype=np.int64)


class HistogramRows:
    """A histogram for each row number from 0; rows from `most` − 1 on share the last one.

    Args:
        most: rows, each 190 kB once a value came for it or a later one.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts = np.zeros((1, CELLS), dtype=np.int64)
        self._lowest = np.full(1, HIGHEST_US, dtype=np.int64)
        self._highest = np.full(1, -1, dtype=np.int64)
        self._subtracted = False

    def _reach(self, row: int) -> None:
        """Have a histogram for that row and all before it."""
        if row < len(self._highest):
            return
        more = min(self.most, max(row + 1, 2 * len(self._highest))) - len(self._highest)
        self._counts = np.concatenate([self._counts, np.zeros((more, CELLS), dtype=np.int64)])
        self._lowest = np.concatenate([self._lowest, np.full(more, HIGHEST_US)])
        self._highest = np.concatenate([self._highest, np.full(more, -1)])

    def record_many(self, rows: NDArray[np.integer], us: NDArray[np.int64]) -> None:
        """Count each duration of `us` microseconds in the histogram of the row beside it."""
        if not len(rows):
            return
        own = np.minimum(rows, self.most - 1).astype(np.int64)
        self._reach(int(own.max()))
        values = np.clip(us, 0, HIGHEST_US)
        np.add.at(self._counts.reshape(-1), own * CELLS + cells_of(values), 1)
        np.minimum.at(self._lowest, own, values)
        np.maximum.at(self._highest, own, values)

    def histogram(self, row: int) -> Histogram:
        """What was counted in a row."""
        if row >= len(self._highest) or self._highest[row] < 0:
            return Histogram()
        histogram = Histogram.of_counts(self._counts[row].copy(), int(self._lowest[row]), int(self._highest[row]))
        if self._subtracted:
            histogram.subtract(Counts(_NONE, _NONE))
        return histogram

    def since(self, row: int, seen: Histogram) -> Increment | None:
        """What was counted in a row since `seen`, its earlier state, which is brought up to date; None for nothing."""
        if row >= len(self._highest) or self._highest[row] < 0:
            return None
        return Histogram.of_counts(self._counts[row], int(self._lowest[row]), int(self._highest[row])).since(seen)

    def add(self, row: int, increment: Increment) -> None:
        """Count in a row what another histogram counted.

        Raises:
            InvalidValue: not the increment of a histogram.
        """
        own = min(row, self.most - 1)
        self._reach(own)
        empty = self._highest[own] < 0
        lowest = increment.lowest if empty else min(int(self._lowest[own]), increment.lowest)
        histogram = Histogram.of_counts(self._counts[own], lowest, max(int(self._highest[own]), increment.highest))
        histogram.add(increment)
        self._lowest[own], self._highest[own] = lowest, histogram.max

    def counts(self) -> Counts:
        """What is counted in all rows so far, to be subtracted later."""
        found = [
            np.flatnonzero(self._counts[row, first : last + 1] != 0) + (row * CELLS + first)
            for row, (first, last) in enumerate(
                zip(cells_of(self._lowest).tolist(), cells_of(np.maximum(self._highest, 0)).tolist(), strict=True)
            )
        ]
        cells = np.concatenate(found)
        return Counts.of(cells, self._counts.reshape(-1)[cells])

    def subtract(self, earlier: Counts) -> None:
        """Forget what had been counted at an earlier moment. The extremes of each row are then exact to 0.1 %."""
        np.subtract.at(self._counts.reshape(-1), earlier.cells, earlier.counts)
        self._subtracted = True
