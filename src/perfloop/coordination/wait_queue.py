"""Who waits, in which order, and until when. Without a clock, a lock or any waiting of its own."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["WaitQueue", "WaitState", "Waiter"]


class WaitState(Enum):
    """How it stands with a waiter. All but the first are final, except that what was granted may be left."""

    WAITING = "waiting"
    GRANTED = "granted"
    EXPIRED = "expired"
    """Its deadline was over when its turn came."""
    DISPLACED = "displaced"
    """The queue was full, and somebody more important came."""
    LEFT = "left"
    """It was cancelled or has given up, or has passed its grant on."""


class Waiter:
    """One who waits: a thread, or a task of any event loop."""

    __slots__ = ("deadline", "priority", "state", "token", "wake")

    def __init__(self, wake: Callable[[], object], *, priority: int = 0, deadline: float = math.inf) -> None:
        """A waiter.

        Args:
            wake: called once its state has changed, from any thread, and without a lock held.
            priority: higher ones go first.
            deadline: seconds of the clock whose time the queue is given; it is granted nothing later.
        """
        self.wake = wake
        self.priority = priority
        self.deadline = deadline
        self.state = WaitState.WAITING
        self.token: object = None
        """What it was granted."""


class WaitQueue:
    """First come, first served among those of one priority; a higher priority goes first.

    Joining, leaving and being next take the same time however many wait; only how many priorities there are counts.
    """

    __slots__ = ("_length", "_lines")

    def __init__(self) -> None:
        self._lines: dict[int, OrderedDict[Waiter, None]] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Waiter]:
        """All, next one first."""
        for priority in sorted(self._lines, reverse=True):
            yield from self._lines[priority]

    def join(self, waiter: Waiter) -> None:
        """Wait behind all of the same priority."""
        self._lines.setdefault(waiter.priority, OrderedDict())[waiter] = None
        self._length += 1

    def remove(self, waiter: Waiter) -> None:
        """Take out one that is in the queue."""
        line = self._lines[waiter.priority]
        del line[waiter]
        self._length -= 1
        if not line:
            del self._lines[waiter.priority]

    def first(self) -> Waiter | None:
        """Whose turn it is."""
        return next(iter(self._lines[max(self._lines)])) if self._lines else None

    def last(self) -> Waiter | None:
        """Who waits for the least important thing, and has done so for the shortest time."""
        return next(reversed(self._lines[min(self._lines)])) if self._lines else None

    def expired(self, now: float) -> list[Waiter]:
        """Those at the head of each line whose deadline is over: all of them, where all wait for the same time."""
        late: list[Waiter] = []
        for line in self._lines.values():
            late += itertools.takewhile(lambda waiter: waiter.deadline <= now, line)
        return late

    def ahead_of(self, priority: int) -> int:
        """How many would go before one that comes now with this priority."""
        return sum(len(line) for each, line in self._lines.items() if each >= priority)
