"""Things that happen now and then, each with its own details: a breaker opened, a leak was suspected."""

from __future__ import annotations

from collections import deque
from threading import RLock

from ..clock import MONOTONIC, Clock
from ..exceptions import InvalidValue
from .forks import renew_lock_in_forks
from .snapshots import Occurrence, Occurrences

__all__ = ["Event"]


class Event:
    """The last occurrences of one kind of event, and the count of all. Older ones give way and are counted."""

    __slots__ = ("__weakref__", "_count", "_dropped", "_lock", "_ring", "capacity", "clock")

    def __init__(self, *, capacity: int = 1000, clock: Clock = MONOTONIC) -> None:
        """No occurrences yet.

        Args:
            capacity: how many occurrences are kept, 1 or more.
            clock: gives `Occurrence.at`.

        Raises:
            InvalidValue: a capacity below 1.
        """
        if capacity < 1:
            raise InvalidValue("Expected a capacity of 1 or more", got=capacity)
        self._ring: deque[Occurrence] = deque(maxlen=capacity)
        # Reentrant: a finaliser or a signal handler may record while this thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)
        self.capacity = capacity
        self.clock = clock
        self._count = 0
        self._dropped = 0

    def record(self, **attributes: str | float | bool) -> None:
        """Note that it happened, with whatever details help."""
        occurrence = Occurrence(at=self.clock.now(), attributes=attributes)
        with self._lock:
            self._count += 1
            self._dropped += len(self._ring) == self._ring.maxlen
            self._ring.append(occurrence)

    @property
    def value(self) -> int:
        """How often it happened, kept or not."""
        return self._count

    def snapshot(self) -> Occurrences:
        """The occurrences kept, oldest first, and how many there were and are lost."""
        with self._lock:
            return Occurrences(count=self._count, dropped=self._dropped, kept=list(self._ring))

    def drain(self) -> Occurrences:
        """As `snapshot`, and forget the kept ones: a reader that polls sees each once. The counts go on."""
        with self._lock:
            taken = Occurrences(count=self._count, dropped=self._dropped, kept=list(self._ring))
            self._ring.clear()
            return taken
