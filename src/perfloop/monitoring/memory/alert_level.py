"""Is memory high? One warning when it becomes so, not one each time it is read. Pure."""

from __future__ import annotations

from typing import Literal

__all__ = ["AlertLevel", "Level"]

Level = Literal["normal", "high"]

# Memory counts as normal again so far below the bound: or a value that moves about it would warn each time.
_BACK_BELOW = 0.95


class AlertLevel:
    """High above a bound, normal again clearly below it."""

    def __init__(self, bound: float) -> None:
        """Normal.

        Args:
            bound: bytes; memory above it is high.
        """
        self._bound = bound
        self.level: Level = "normal"

    def crossed(self, size: float) -> bool:
        """Take a new size in bytes; True when memory has just become high."""
        if self.level == "normal" and size > self._bound:
            self.level = "high"
            return True
        if size <= _BACK_BELOW * self._bound:
            self.level = "normal"
        return False
