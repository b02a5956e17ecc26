"""The simple rule: memory has grown by so much since a baseline. Pure.

It fires for a leak, and just as well for a cache or a large load; it misses a slow leak for days. So it stands beside
the judgement of `verdict`, not in its place.
"""

from __future__ import annotations

__all__ = ["GrowthAlarm"]


class GrowthAlarm:
    """Fires for each further step of growth beyond the baseline, which is the first size it is given."""

    def __init__(self, step: float) -> None:
        """No baseline yet.

        Args:
            step: bytes of growth that are worth an alarm.
        """
        self._step = step
        self._alarmed = 0
        self.baseline: float | None = None
        self.growth = 0.0
        """Bytes since the baseline; negative when memory shrank."""

    def exceeded(self, size: float) -> bool:
        """Take a new size in bytes; True when it is a whole step above the last alarm, or above the baseline."""
        if self.baseline is None:
            self.baseline = size
        self.growth = size - self.baseline
        if self.growth <= (self._alarmed + 1) * self._step:
            return False
        self._alarmed = int(self.growth // self._step)
        return True
