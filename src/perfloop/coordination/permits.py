"""Permits and the line of those who wait for one. Without a clock, a lock or any waiting of its own.

A permit is an object that is in one place at a time: free, with who was granted it, or with the call that runs. To take
one and to give it back are single steps of a deque, which no other thread can divide. So these two need no lock while
nobody waits, and no more permits than the limit are ever out, whatever threads do.

Nobody is forgotten either: who gives back first adds the permit and then looks whether somebody waits; who joins is
first in the queue and then looks for a permit.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from .wait_queue import Waiter, WaitQueue, WaitState

__all__ = ["Permits"]


class Permits:
    """So many at one time; the others wait in line.

    `try_take` and `give_back` are for any thread. All else is for one thread at a time: under a lock of the caller's,
    which then wakes the waiters it is told, without the lock.
    """

    __slots__ = ("__weakref__", "_debt", "crowded", "free", "limit", "max_queue", "queue", "token")

    def __init__(self, limit: int, max_queue: int) -> None:
        """`limit` permits, and a queue for `max_queue` waiters."""
        self.limit = limit
        self.max_queue = max_queue
        self.free: Final[deque[object]] = deque()
        self.begin_anew()

    def begin_anew(self) -> None:
        """All permits are free and nobody waits; permits that are out count no more, and are not taken back."""
        self.token = object()
        self.free.clear()
        self.free.extend([self.token] * self.limit)
        self.queue = WaitQueue()
        self.crowded = False
        """Whether a newcomer has to go through the queue, and who gives back has to look at it."""
        self._debt = 0  # permits to be taken out of circulation when they come back

    @property
    def used(self) -> int:
        """Permits that are out, those of waiters just granted among them."""
        return max(self.limit + self._debt - len(self.free), 0)

    def try_take(self) -> object | None:
        """A permit, if one is free and nobody waits."""
        if self.crowded:
            return None
        try:
            return self.free.pop()
        except IndexError:
            return None

    def give_back(self, token: object) -> bool:
        """The permit is free again. True: somebody waits, so `settle` has to be called."""
        if token is self.token:
            self.free.append(token)
        return self.crowded

    def join(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Wait in line; perhaps the waiter is granted a permit at once.

        A full queue has room for somebody more important than its last: that one is displaced. For anybody else it has
        not: the waiter is displaced itself.

        Returns:
            whom to wake; the waiter itself not.
        """
        self.queue.join(waiter)
        self.crowded = True
        woken = self.settle(now)
        if len(self.queue) > self.max_queue:
            # An event loop that is held up has not heard yet that some of its tasks wait no longer.
            woken += [self._end(each, WaitState.EXPIRED) for each in self.queue.expired(now)]
        if len(self.queue) > self.max_queue and (last := self.queue.last()) is not None:
            woken.append(self._end(last, WaitState.DISPLACED))
        self._look()
        return [each for each in woken if each is not waiter]

    def settle(self, now: float) -> list[Waiter]:
        """Grant free permits to those whose turn it is.

        Returns:
            whom to wake.
        """
        woken = []
        while self._debt and self._pop() is not None:
            self._debt -= 1
        while (waiter := self.queue.first()) is not None:
            if waiter.deadline <= now:
                woken.append(self._end(waiter, WaitState.EXPIRED))
            elif (token := self._pop()) is None:
                break
            else:
                waiter.token = token
                woken.append(self._end(waiter, WaitState.GRANTED))
        self._look()
        return woken

    def leave(self, waiter: Waiter, now: float) -> list[Waiter]:
        """The waiter was cancelled or has given up, perhaps in the very moment of its grant: that goes to the next one.

        Returns:
            whom to wake.
        """
        if waiter.state is WaitState.WAITING:
            self._end(waiter, WaitState.LEFT)
            self._look()
        elif waiter.state is WaitState.GRANTED:
            waiter.state = WaitState.LEFT
            if self.give_back(waiter.token):
                return self.settle(now)
        return []

    def resize(self, limit: int, now: float) -> list[Waiter]:
        """Another limit. Of permits that are out too many go out of circulation as they come back.

        Returns:
            whom to wake.
        """
        self._debt -= limit - self.limit
        self.limit = limit
        self.crowded = True
        if self._debt < 0:
            self.free.extend([self.token] * -self._debt)
            self._debt = 0
        return self.settle(now)

    def _pop(self) -> object | None:
        try:
            return self.free.pop()
        except IndexError:
            return None

    def _end(self, waiter: Waiter, state: WaitState) -> Waiter:
        self.queue.remove(waiter)
        waiter.state = state
        return waiter

    def _look(self) -> None:
        self.crowded = bool(self.queue) or self._debt > 0
