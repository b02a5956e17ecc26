"""Who waits to be let in: the most important first, and by a controlled delay, as CoDel and Facebook's servers do it.

A line that empties from time to time takes up a burst, and is served first come, first served. One that has not been
empty for `interval` is no burst: whoever came first has waited longest and is nearest to giving up, so that then the
newest is served first and nobody waits longer than `target`. It stays so until for ten intervals nobody had waited too
long: a line that is empty because all in it were turned away is not at rest. (Nichols and Jacobson, Controlling Queue
Delay, 2012; Maurer, Fail at Scale, 2015.)
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from .criticality import Criticality

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Line", "Waiter"]

_REST = 10
"""So many intervals without anybody turned away for waiting too long, and the line is at rest again."""


class Waiter:
    """A call that waits."""

    __slots__ = ("admitted", "criticality", "over", "since", "wake")

    def __init__(self, criticality: Criticality, since: float) -> None:
        self.criticality = criticality
        self.since = since
        self.over = False
        """It waits no more."""
        self.admitted: Any = None
        """The token it was let in with; None: it was turned away."""
        self.wake: Callable[[], object] = _nothing


def _nothing() -> None:
    """Nobody sleeps yet."""


class Line:
    """Waiters by how important they are. Not safe for threads: whoever has it holds a lock."""

    def __init__(self, *, size: int, target: float, interval: float) -> None:
        self._size = size
        self._target = target
        self._interval = interval
        self._queues: dict[Criticality, deque[Waiter]] = {each: deque() for each in Criticality}  # most important first
        self._length = 0
        self._filled = 0.0
        self._turned_away = -math.inf

    def __len__(self) -> int:
        return self._length

    def overloaded(self, now: float) -> bool:
        """It has not been empty for the interval, or not been at rest since that was so."""
        if now - self._turned_away <= _REST * self._interval:
            return True
        return self._length > 0 and now - self._filled > self._interval

    def longest_wait(self, now: float) -> float:
        """Seconds somebody may wait now."""
        return self._target if self.overloaded(now) else self._interval

    def first(self) -> Criticality | None:
        """That of the most important of those that wait."""
        if not self._length:
            return None
        return next(each for each, queue in self._queues.items() if queue)

    def join(self, now: float, criticality: Criticality) -> tuple[Waiter | None, Waiter | None]:
        """Somebody wants to wait.

        Returns:
            the waiter, None if there is no room; and who is less important and must leave for it, if somebody must.
        """
        evicted = None
        if self._length >= self._size:
            lowest = next(
                (self._queues[each] for each in reversed(self._queues) if each < criticality and self._queues[each]),
                None,
            )
            if lowest is None:
                return None, None
            evicted = self._take(lowest, len(lowest) - 1)
        elif not self._length:
            self._filled = now
        waiter = Waiter(criticality, now)
        self._queues[criticality].append(waiter)
        self._length += 1
        return waiter, evicted

    def expired(self, now: float) -> list[Waiter]:
        """Take out all that have waited for too long."""
        if not self._length:
            return []
        longest = self.longest_wait(now)
        late = [
            self._take(queue, 0)
            for queue in self._queues.values()
            for _ in list(queue)
            if now - queue[0].since > longest
        ]
        if late:
            self._turned_away = now
        return late

    def next(self, now: float, token: Any) -> Waiter:
        """Let in, with this token, who comes next; somebody must be waiting."""
        queue = next(filter(None, self._queues.values()))
        place = len(queue) - 1 if self.overloaded(now) else 0
        queue[place].admitted = token  # first: whoever sees without the lock that it is over, sees this, too
        return self._take(queue, place)

    def leave(self, waiter: Waiter) -> None:
        """Take this one out, if it still waits."""
        if not waiter.over:
            waiter.over = True
            self._queues[waiter.criticality].remove(waiter)
            self._length -= 1

    def _take(self, queue: deque[Waiter], place: int) -> Waiter:
        waiter = queue.popleft() if place == 0 else queue.pop()
        waiter.over = True
        self._length -= 1
        return waiter
