"""Trap 10, for a limiter. Waits by reserving a moment in the future: who is cancelled takes its call along."""

from __future__ import annotations

__all__ = ["Reserving"]


class Reserving:
    """Each caller, admitted or not, moves the next due moment; nobody moves it back."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._due = 0.0

    def reserve(self, now: float) -> float:
        """Seconds to sleep until it is the caller's turn."""
        due = max(self._due, now)
        self._due = due + self._interval
        return due - now
