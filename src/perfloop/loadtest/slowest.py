"""The slowest requests of a traced run, so that each can be looked up where the service's traces are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import SlowRequest
from ..redaction import redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST", "Slowest"]

MOST = 20
"""How many are kept."""


class Slowest:
    """Keeps the slowest requests of what it is shown, in constant memory. Most times that costs one look for a maximum.

    Args:
        trace_id: of the run, 32 hexadecimal digits.
        labels: what each request is called, by its index.
        most: how many to keep.
    """

    __slots__ = ("_earlier", "_entries", "_labels", "_latency", "_least", "_most", "_trace_id")

    def __init__(self, trace_id: str, labels: Sequence[str], most: int = MOST) -> None:
        self._trace_id = trace_id
        self._labels = labels
        self._most = most
        self._earlier: list[tuple[NDArray[Any], NDArray[np.int64]]] = []
        self._entries: NDArray[Any] | None = None
        self._latency = np.empty(0, dtype=np.int64)
        # Without an answer there is no latency, which reads -1.
        self._least = -1

    def add(self, entries: NDArray[Any], latency: NDArray[np.int64]) -> None:
        """Look at finished requests.

        Args:
            entries: as in the recorder's buffer; they may be overwritten afterwards.
            latency: of each, in microseconds; negative where there is none.
        """
        if int(latency.max()) <= self._least:
            return
        slower = latency > self._least
        found, times = entries[slower], latency[slower]
        if self._entries is not None:
            found, times = np.concatenate((self._entries, found)), np.concatenate((self._latency, times))
        if len(times) > self._most:
            kept = np.argpartition(times, -self._most)[-self._most :]
            found, times = found[kept], times[kept]
        self._entries, self._latency = found, times
        if len(times) == self._most:
            self._least = int(times.min())

    def counts(self) -> int:
        """Part what was shown so far from what comes, of which as many are kept; how many parts there are."""
        if self._entries is not None:
            self._earlier.append((self._entries, self._latency))
            self._entries, self._least = None, -1
        return len(self._earlier)

    def subtract(self, earlier: int) -> None:
        """Forget the first parts."""
        del self._earlier[:earlier]

    def requests(self, start: float) -> list[SlowRequest]:
        """What was kept, the slowest first.

        Args:
            start: of the run, on the monotonic clock.
        """
        self.counts()
        kept = [each for entries, latency in self._earlier for each in zip(entries, latency, strict=True)]
        slowest = [
            SlowRequest(
                trace_id=self._trace_id,
                span_id=f"{int(entry['number']):016x}",
                request=redact_url(self._labels[int(entry["request_index"])]),
                due_seconds=round(float(entry["due"]) - start, 6),
                latency_ms=int(latency) / 1000,
                queue_ms=None
                if np.isnan(entry["free"])
                else round((float(entry["free"]) - float(entry["due"])) * 1e3, 3),
                status=max(int(entry["status"]), 0) or None,
            )
            for entry, latency in kept
        ]
        return sorted(slowest, key=lambda request: (-request.latency_ms, request.due_seconds))[: self._most]
