"""A limit of calls in flight that rises by one and falls by a share, as TCP's window: AIMD of Netflix's limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .gradient import bounds
from .settings import positive, share

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Aimd"]


class Aimd:
    """Rises by one a round trip while it is used, falls when a call takes longer than it should.

    What a call should take is given, so nothing can drift. Not safe for threads: whoever has it holds a lock.
    """

    def __init__(
        self, *, target: float, initial: int = 20, minimum: int = 4, maximum: int = 1000, backoff: float = 0.9
    ) -> None:
        """A limit.

        Args:
            target: seconds; a call that takes longer counts as one that got no answer.
            initial: calls in flight at first.
            minimum: the limit is never below it.
            maximum: the limit is never above it.
            backoff: what is left of the limit when it falls, below 1.

        Raises:
            InvalidValue: a value out of range, or limits that do not rise from minimum over initial to maximum.
        """
        self._minimum, self._maximum = bounds(minimum, initial, maximum)
        self._target = positive(target, "target")
        self._backoff = share(backoff, "backoff")
        self._settings = {"target": target, "initial": initial, "minimum": minimum, "maximum": maximum}
        self._settings |= {"backoff": backoff}
        self._limit = float(initial)
        self.limit = initial
        """Calls that may be in flight now."""
        self._fell = -math.inf
        self._usual = 0.0

    def describe(self) -> Mapping[str, float]:
        """The settings."""
        return self._settings

    def update(self, now: float, rtt: float, inflight: int, dropped: bool) -> None:
        """A call ended; arguments as in `Gradient.update`."""
        if not rtt >= 0 or (dropped and rtt < self._usual):
            return
        self._usual += 0.1 * (rtt - self._usual)
        if dropped or rtt > self._target:
            # Once for all calls that were let in under one limit.
            if now - rtt >= self._fell:
                self._limit = max(self._minimum, self._limit * self._backoff)
                self._fell = now
        elif inflight * 2 >= self._limit:
            self._limit = min(self._maximum, self._limit + 1 / self._limit)
        self.limit = int(self._limit)
