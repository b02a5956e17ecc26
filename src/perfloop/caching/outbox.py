"""What this process has to say to the others, until they have been told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from .backplane import Invalidation
from .missed import Missed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clock import Clock
    from .effects import Program

__all__ = ["Outbox"]

_SAID_AGAIN_FOR, _SAID_AGAIN_EVERY = 10.0, 0.9
"""Seconds. Who was cut off from the backplane when something was said is back within some of them."""


class _Owed(msgspec.Struct, frozen=True):
    until: float
    change: Invalidation


class Outbox:
    """Messages to the other processes, each said once; those of which a level knows nothing yet, again and again.

    Args:
        publish: tells the others.
        clock: gives the moments.
    """

    def __init__(self, publish: Callable[[Invalidation], Program[None]], clock: Clock) -> None:
        self._publish = publish
        self._now = clock.now
        self._unsaid: deque[Invalidation] = deque()
        self._owed: deque[_Owed] = deque()
        self._again_at = 0.0
        self.fell_behind: Callable[[], None] = lambda: None
        """Called when the others have missed something."""

    def __bool__(self) -> bool:
        """Whether the others have missed something."""
        return bool(self._unsaid)

    def add(self, message: Invalidation) -> None:
        """Have it said with the next one, or by who recovers."""
        self._unsaid.append(message)
        self.fell_behind()

    def owe(self, change: Invalidation) -> None:
        """Have it said again for as long as one of the levels that missed it has."""
        now = self._now()
        if not self._owed:
            self._again_at = now + _SAID_AGAIN_EVERY
        self._owed.append(_Owed(now + _SAID_AGAIN_FOR, change))

    def say(self, own: Invalidation | None = None) -> Program[None]:
        """Tell the other processes: first what is the caller's own, so that it is said when he goes on, and then what
        they have not been told because who was about to was cancelled."""
        while own is not None or self._unsaid:
            try:
                message = own or self._unsaid.popleft()
            except IndexError:  # another thread has taken it
                return
            own, said = None, False
            try:
                yield from self._publish(message)
                said = True
            finally:
                if not said:
                    self._unsaid.appendleft(message)
                    self.fell_behind()

    def say_again(self, behind: set[str]) -> Program[None]:
        """Say what the levels of these names have missed once more, at most once a second and for some seconds.

        Who was cut off from the backplane reads from such a level what was changed, and would tell it, if he knew.
        """
        now = self._now()
        if not self._owed or now < self._again_at:
            return
        self._again_at = now + _SAID_AGAIN_EVERY
        merged, missed = Missed(), set[str]()
        for _ in range(len(self._owed)):
            try:
                owed = self._owed.popleft()
            except IndexError:  # another thread is at it
                return
            names = behind.intersection(owed.change.missed)
            if owed.until > now and names:
                self._owed.append(owed)
                merged.add(owed.change, now)
                missed |= names
        if missed:
            changed = tuple(sorted(merged.keys)), tuple(sorted(merged.tags)), merged.everything
            yield from self.say(Invalidation(*changed, missed=tuple(sorted(missed))))

    def begin_in_fork(self) -> None:
        """What its parent has to say the parent says."""
        self._unsaid.clear()
        self._owed.clear()
