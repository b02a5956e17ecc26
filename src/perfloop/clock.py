"""Where parts of perfloop take the time from, so that tests can give them another."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["MONOTONIC", "Clock", "MonotonicClock"]


class Clock(Protocol):
    """A source of seconds that never goes backwards."""

    def now(self) -> float:
        """Seconds since a fixed but unknown moment."""


class MonotonicClock:
    """The system's monotonic clock, the same one in every process of this machine."""

    __slots__ = ()

    # staticmethod: a call costs what time.monotonic costs.
    now = staticmethod(time.monotonic)


MONOTONIC: Clock = MonotonicClock()
