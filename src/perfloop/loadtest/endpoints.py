"""What each endpoint of a run answered, in constant memory, however many distinct requests there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..records import EndpointResult, Figures
from ..stats import Histogram, HistogramRows, Increment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ..stats import Counts

__all__ = ["MOST_ENDPOINTS", "OTHER", "EndpointIncrement", "EndpointTally"]

MOST_ENDPOINTS = 128
"""Further ones are counted together, as OTHER."""
OTHER = "other"


class EndpointIncrement(NamedTuple):
    """What one endpoint answered since an earlier look."""

    label: str
    requests: int
    errors: int
    latency: Increment | None


class EndpointTally:
    """Counts finished requests by the index of their request.

    Args:
        labels: of the requests, by index; may grow. Requests with the same label count together.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._rows: list[int] = []
        self._row_of: dict[str, int] = {}
        self._requests = np.zeros(MOST_ENDPOINTS, dtype=np.int64)
        self._errors = np.zeros(MOST_ENDPOINTS, dtype=np.int64)
        self._latency = HistogramRows(MOST_ENDPOINTS)

    def add(self, index: NDArray[np.int32], latency: NDArray[np.int64], failed: NDArray[np.bool_]) -> None:
        """Take finished requests.

        Args:
            latency: in microseconds; negative where there is none.
            failed: which of them count as errors.
        """
        self._know_all()
        rows = self._row[index]
        self._requests += np.bincount(rows, minlength=MOST_ENDPOINTS)
        if failed.any():
            self._errors += np.bincount(rows[failed], minlength=MOST_ENDPOINTS)
        timed = latency >= 0
        self._latency.record_many(rows[timed], latency[timed])

    def add_error(self, label: str) -> None:
        """Count an error of a request that was taken, or will be, as a success: a check of its response failed."""
        self._know_all()
        if label in self._row_of:
            self._errors[self._row_of[label]] += 1

    def _know_all(self) -> None:
        """Give each new label its row."""
        if len(self._rows) < len(self._labels):
            for label in self._labels[len(self._rows) :]:
                row = self._row_of.setdefault(label, min(len(self._row_of), MOST_ENDPOINTS - 1))
                self._rows.append(row)
            self._row = np.array(self._rows, dtype=np.int64)

    def since(self, seen: dict[int, tuple[int, int, Histogram]]) -> list[EndpointIncrement]:
        """What was counted since `seen`, an earlier state by row, which is brought up to date."""
        labels = self._label_of_row()
        found = []
        for row in np.flatnonzero(self._requests + self._errors).tolist():
            requests, errors, latency = seen.get(row) or (0, 0, Histogram())
            now = int(self._requests[row]), int(self._errors[row])
            if now != (requests, errors):
                more = self._latency.since(row, latency)
                found.append(EndpointIncrement(labels[row], now[0] - requests, now[1] - errors, more))
                seen[row] = (*now, latency)
        return found

    def absorb(self, increment: EndpointIncrement) -> None:
        """Count what another tally counted."""
        row = self._row_of.setdefault(increment.label, min(len(self._row_of), MOST_ENDPOINTS - 1))
        self._requests[row] += increment.requests
        self._errors[row] += increment.errors
        if increment.latency is not None:
            self._latency.add(row, increment.latency)

    def _label_of_row(self) -> dict[int, str]:
        labels = {row: label for label, row in reversed(self._row_of.items())}
        if len(self._row_of) > MOST_ENDPOINTS:
            labels[MOST_ENDPOINTS - 1] = OTHER
        return labels

    def counts(self) -> tuple[NDArray[np.int64], Counts]:
        """How many requests of each endpoint there were so far and how long they took, to be subtracted later."""
        return self._requests.copy(), self._latency.counts()

    def subtract(self, earlier: tuple[NDArray[np.int64], Counts]) -> None:
        """Forget the requests of an earlier moment, but not those of them that failed."""
        self._requests -= earlier[0]
        self._latency.subtract(earlier[1])

    def results(self, elapsed: float, figures: Callable[[Histogram], Figures]) -> list[EndpointResult]:
        """Each endpoint that was requested, the most requested first.

        Args:
            elapsed: seconds of the run.
            figures: gives a histogram's summary in ms.
        """
        found = [
            EndpointResult(
                label=label,
                requests=int(self._requests[row]),
                errors=int(self._errors[row]),
                rate=float(self._requests[row]) / elapsed,
                latency_ms=figures(self._latency.histogram(row)),
            )
            for row, label in self._label_of_row().items()
            if self._requests[row] or self._errors[row]
        ]
        return sorted(found, key=lambda each: (-each.requests, each.label))
