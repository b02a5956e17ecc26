"""What histograms had counted at some moment, in little memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Counts"]


class Counts(NamedTuple):
    """What a histogram, or several in a row, had counted: the counters that are not zero, rising, 4 to 6 bytes each."""

    cells: NDArray[np.integer[Any]]
    counts: NDArray[np.integer[Any]]
    overflow: int = 0
    underflow: int = 0

    @classmethod
    def of(cls, cells: NDArray[Any], counts: NDArray[Any], overflow: int = 0, underflow: int = 0) -> Counts:
        """These counters, rising, with their counts above 0: kept as the smallest integers that hold them."""
        return cls(_smallest(cells), _smallest(counts), overflow, underflow)

    def plus(self, more: Counts) -> Counts:
        """Both together."""
        cells, place = np.unique(np.concatenate((self.cells, more.cells)), return_inverse=True)
        counts = np.zeros(len(cells), dtype=np.int64)
        np.add.at(counts, place, np.concatenate((self.counts, more.counts)))
        return Counts.of(cells, counts, self.overflow + more.overflow, self.underflow + more.underflow)


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    highest = int(values.max(initial=0))
    return values.astype(next((kind for kind in (np.uint16, np.uint32) if highest <= np.iinfo(kind).max), np.int64))
