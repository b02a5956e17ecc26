"""A clock that stands still until it is told to move."""

from __future__ import annotations

from ..exceptions import InvalidValue

__all__ = ["FakeClock"]


class FakeClock:
    """Give it as `clock=` to parts, levels and caches; move it with `advance`."""

    def __init__(self, now: float = 1000.0) -> None:
        """A clock that shows `now` seconds."""
        self._now = now

    def now(self) -> float:
        """What it shows, in seconds."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass, 0 or more.

        Raises:
            InvalidValue: a negative number: the clocks of perfloop never go backwards.
        """
        if not seconds >= 0:
            raise InvalidValue("Expected 0 or more seconds", got=seconds)
        self._now += seconds
