"""Calls in event loops that end at the latest after a while. Equal durations share a queue and one timer a loop.

`asyncio.timeout` makes a timer a call. Calls of one duration expire in the order they began, so one timer for the
eldest does for all; a call that ends in time is taken out of a dictionary, and the timer learns of it when it rings.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from ..exceptions import CallTimedOut
from .deadline import TimeLimit

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable

__all__ = ["Expiries", "TimedCall", "expiries_of"]


class TimedCall(TimeLimit):
    """One call of a task that is cancelled when its time is over.

    Cancels and takes the cancellation back as `asyncio.timeout` does: a cancellation from outside, even one of the same
    moment, is not taken for a timeout.
    """

    __slots__ = ("_cancelling", "task")

    error = CallTimedOut

    def __init__(self, now: Callable[[], float], seconds: float, where: str, task: Task[Any]) -> None:
        # Not by super(): this is half of what a timeout costs.
        self._now = now
        self.at = now() + seconds
        self.seconds = seconds
        self.where = where
        self.task = task
        self.expired = False
        self._cancelling = task.cancelling()

    def expire(self) -> None:
        """The time is over."""
        self.expired = True
        self.task.cancel()

    def ended(self) -> bool:
        """To be asked once, when the call has ended: whether a CancelledError of it means the timeout."""
        return self.expired and self.task.uncancel() <= self._cancelling


class Expiries:
    """Attempts of one duration in one loop, in the order they began.

    One that begins is put into `running` by whoever has it, and the timer armed unless it is; one that ends is taken
    out, at any time.
    """

    __slots__ = ("__weakref__", "_now", "_seconds", "armed", "running")

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self.running: dict[TimedCall, None] = {}
        self._now = now
        self._seconds = seconds
        self.armed = False

    def arm(self, loop: AbstractEventLoop) -> None:
        """Set the timer for the first attempt."""
        self.armed = True
        loop.call_later(self._seconds, self._ring, loop)

    def due(self, now: float) -> list[TimedCall]:
        """Those whose time is over, the eldest first. They are running no more."""
        due: list[TimedCall] = []
        for attempt in self.running:
            if attempt.at > now:
                break
            due.append(attempt)
        for attempt in due:
            del self.running[attempt]
        return due

    def _ring(self, loop: AbstractEventLoop) -> None:
        for attempt in self.due(self._now()):
            attempt.expire()
        eldest = next(iter(self.running), None)
        if eldest is None:
            self.armed = False
        else:
            # Also where the loop's clock is coarser than ours and rang too early.
            loop.call_later(max(0.0, eldest.remaining()), self._ring, loop)


_loops: weakref.WeakKeyDictionary[AbstractEventLoop, dict[tuple[Callable[[], float], float], Expiries]] = (
    weakref.WeakKeyDictionary()
)


def expiries_of(loop: AbstractEventLoop, now: Callable[[], float], seconds: float) -> Expiries:
    """Those of that clock and duration in the loop."""
    known = _loops.get(loop)
    if known is None:
        for other in list(_loops):
            if other.is_closed():  # with tasks that never ended, which refer to it
                _loops.pop(other, None)
        known = _loops.setdefault(loop, {})
    return known.setdefault((now, seconds), Expiries(now, seconds))
