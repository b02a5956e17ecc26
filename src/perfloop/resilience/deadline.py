"""Until when somebody waits for an answer: carried in a context variable, and to other services in a header.

Whatever is called inside `with deadline(2.0):` can ask how long it may take. Nothing interrupts a thread: a callee that
never asks is not stopped. In an event loop `Timeout` and `Deadline` stop what runs longer.
"""

from __future__ import annotations

import contextlib
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar

from ..clock import MONOTONIC
from ..exceptions import CallTimedOut, DeadlineExceeded
from .settings import at_least

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..clock import Clock

__all__ = ["TIMEOUT_HEADER", "TimeLimit", "check_deadline", "deadline", "from_header", "remaining", "to_header"]

TIMEOUT_HEADER = "x-envoy-expected-rq-timeout-ms"
"""Envoy's name for it: whole milliseconds that the caller will still wait, counted from the arrival of the request.

Relative, so that the clocks of two hosts need not agree; what the request itself takes to arrive is not known.
"""
_MILLISECONDS = re.compile(r"[0-9]{1,10}")


class TimeLimit:
    """A moment on a clock, and the error of being later."""

    __slots__ = ("_now", "at", "expired", "seconds", "where")

    error: ClassVar[type[CallTimedOut]] = DeadlineExceeded
    inherited: ClassVar[bool] = True
    """Whether it is somebody's further outside than the part that minds it."""

    def __init__(self, now: Callable[[], float], seconds: float, where: str) -> None:
        self._now = now
        self.at = now() + seconds
        self.seconds = seconds
        self.where = where
        self.expired = False
        """Whoever is inside has been stopped; what still runs cleans up."""

    def remaining(self) -> float:
        """Seconds left; negative once it is over."""
        return self.at - self._now()

    def exceeded(self) -> CallTimedOut:
        """The error to raise when it is over, a new one."""
        error = self.error(f"Expected an answer within {self.seconds:g} s", where=self.where)
        if isinstance(error, DeadlineExceeded):
            error.inherited = self.inherited
        return error


CURRENT: ContextVar[TimeLimit | None] = ContextVar("perfloop.resilience.deadline", default=None)
"""The earliest of all limits that the caller is inside of."""


@contextlib.contextmanager
def deadline(seconds: float | None, *, clock: Clock = MONOTONIC) -> Iterator[None]:
    """What is called inside has so many seconds from now; less if a deadline outside comes earlier.

    Tasks and threads that copy the context (`asyncio.create_task`, `asyncio.to_thread`) have the same deadline.

    Args:
        seconds: 0 or more; None: no deadline at all, for work that nobody waits for.

    Raises:
        InvalidValue: a negative number, or none.
    """
    inside: TimeLimit | None = None
    if seconds is not None:
        outside = CURRENT.get()
        inside = TimeLimit(clock.now, at_least(seconds, 0, "deadline"), "deadline")
        if outside is not None and outside.remaining() <= seconds:
            inside = outside
    token = CURRENT.set(inside)
    try:
        yield
    finally:
        CURRENT.reset(token)


def remaining() -> float | None:
    """Seconds until the nearest limit the caller is inside of, 0 when it is over; None: there is none."""
    limit = CURRENT.get()
    return None if limit is None else max(0.0, limit.remaining())


def check_deadline() -> None:
    """Give up if nobody waits any longer: to be called between the steps of long work.

    Raises:
        DeadlineExceeded: the deadline is over.
        CallTimedOut: the timeout of this one attempt is over.
    """
    limit = CURRENT.get()
    if limit is not None and limit.remaining() <= 0:
        raise limit.exceeded()


def to_header(seconds: float) -> str:
    """The value of `TIMEOUT_HEADER` for so many seconds: rounded down, at least 1 ms."""
    return str(max(1, int(seconds * 1000)))


def from_header(text: str | bytes) -> float | None:
    """The seconds a `TIMEOUT_HEADER` gives. None for 0, which is Envoy's "no timeout", and for what is no such value:
    a bad header of a caller must not fail its request."""
    found = _MILLISECONDS.fullmatch((text.decode("latin-1") if isinstance(text, bytes) else text).strip())
    return None if found is None else int(found[0]) / 1000 or None
