"""What time it is at a server, told by our own monotonic clock."""

from __future__ import annotations

from ...clock import MONOTONIC, Clock

__all__ = ["ServerClock"]

MEASURED_AGAIN_AFTER = 10.0


class ServerClock:
    """An estimate that never runs behind the server's clock, and before it by no more than one round trip.

    So a value may look older than it is, never fresher. Each measurement bounds the difference of the two clocks; the
    one with the shortest round trip is kept until it is `MEASURED_AGAIN_AFTER` seconds old, or contradicted: then the
    server's clock was set.
    """

    def __init__(self, clock: Clock = MONOTONIC) -> None:
        self._now = clock.now
        self._latest = self._round_trip = 0.0
        self._measured = float("-inf")

    def is_due(self) -> bool:
        """Whether to ask the server again."""
        return self._now() - self._measured > MEASURED_AGAIN_AFTER

    def measured(self, server: float, asked: float, answered: float) -> None:
        """Take the server's time (seconds since the epoch), asked for and answered at these moments of our clock."""
        earliest, latest = server - answered, server - asked
        contradicted = earliest > self._latest or latest < self._latest - self._round_trip
        if contradicted or answered - asked <= self._round_trip or self.is_due():
            self._latest, self._round_trip, self._measured = latest, answered - asked, answered

    def milliseconds(self) -> float:
        """The server's time now, since the epoch."""
        return (self._now() + self._latest) * 1000.0
