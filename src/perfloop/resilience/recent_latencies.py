"""How long the last calls took."""

from __future__ import annotations

from collections import deque

__all__ = ["RecentLatencies"]


class RecentLatencies:
    """The last so many durations. Percentiles are found anew after each tenth of them."""

    def __init__(self, window: int) -> None:
        self._kept: deque[float] = deque(maxlen=window)
        self._enough = max(1, window // 10)
        self._sorted: list[float] = []
        self._news = 0

    def record(self, seconds: float) -> None:
        """One more; of a call that was cancelled as it took too long, the time until then.

        To leave those out would have the percentile sink, and more and more calls be found too slow.
        """
        self._kept.append(seconds)
        self._news += 1

    def percentile(self, share: float) -> float | None:
        """What that share of them did not exceed, by nearest rank; None until a tenth of the window is known."""
        if self._news >= self._enough:
            self._sorted = sorted(self._kept.copy())
            self._news = 0
        if not self._sorted:
            return None
        return self._sorted[min(len(self._sorted) - 1, int(share * len(self._sorted)))]
