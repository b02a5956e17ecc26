"""Permits that threads and the tasks of several event loops wait for in one and the same line."""

from __future__ import annotations

import asyncio
import math
from threading import Lock, RLock
from typing import TYPE_CHECKING

from ..clock import MONOTONIC
from ..telemetry.forks import renew_lock_in_forks
from .forks import begin_anew_in_forks
from .permits import Permits
from .wait_queue import Waiter, WaitState
from .waking import waking_future

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clock import Clock

__all__ = ["FairSemaphore", "QueueFull", "WaitTimedOut"]


class QueueFull(Exception):
    """As many wait as may, or one more important has come and taken the place in the queue."""


class WaitTimedOut(TimeoutError):
    """The deadline of the waiter was over before its turn came."""


class FairSemaphore:
    """So many permits; who finds none waits in line: first come, first served, higher priorities first.

    A waiter that is cancelled, interrupted or late loses no permit: what it was granted goes to the next one. Forked
    children begin with all permits free.
    """

    def __init__(self, limit: int, max_queue: int, *, clock: Clock = MONOTONIC) -> None:
        """`limit` permits, and a queue for `max_queue` waiters."""
        self.permits = Permits(limit, max_queue)
        self.try_acquire: Callable[[], object | None] = self.permits.try_take
        """A permit, if one is free and nobody waits."""
        self.give_back: Callable[[object], bool] = self.permits.give_back
        """Half of `release`, for who counts nanoseconds. True: now call `settle`."""
        self._now = clock.now
        # Reentrant: a finaliser or a signal handler may come here while its thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)
        begin_anew_in_forks(self.permits)

    def acquire(self, timeout: float = math.inf, priority: int = 0) -> object:
        """A permit; the thread waits for it `timeout` seconds at most.

        Raises:
            QueueFull: as many wait as may.
            WaitTimedOut: none was free in time.
        """
        turn = Lock()
        turn.acquire()
        waiter = Waiter(turn.release, priority=priority, deadline=self._now() + timeout)
        try:
            self._join(waiter)
            if waiter.state is WaitState.WAITING:
                # Threads can wait for some hundred years at most.
                turn.acquire(timeout=timeout if timeout < _LONGEST else -1)
        except BaseException:
            self._leave(waiter)
            raise
        return self._outcome(waiter)

    async def aacquire(self, timeout: float = math.inf, priority: int = 0) -> object:
        """A permit, in an event loop. Cancelled, it has taken none."""
        turn, wake = waking_future()
        waiter = Waiter(wake, priority=priority, deadline=self._now() + timeout)
        timer = None
        try:
            self._join(waiter)
            if waiter.state is WaitState.WAITING:
                timer = asyncio.get_running_loop().call_later(timeout, wake) if timeout < _LONGEST else None
                await turn
        except BaseException:
            self._leave(waiter)
            raise
        finally:
            if timer is not None:
                timer.cancel()
        return self._outcome(waiter)

    def release(self, token: object) -> None:
        """Give a permit back, once; who waits longest has it now."""
        if self.give_back(token):
            self.settle()

    def settle(self) -> None:
        """Grant what is free to who waits: needed after `give_back`, where that says so."""
        with self._lock:
            woken = self.permits.settle(self._now())
        self._wake(woken)

    def resize(self, limit: int) -> None:
        """Another limit: more permits at once, or fewer as soon as calls end."""
        with self._lock:
            woken = self.permits.resize(limit, self._now())
        self._wake(woken)

    def ahead_of(self, priority: int) -> int:
        """How many would go before one that joins now."""
        with self._lock:
            return self.permits.queue.ahead_of(priority)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self.permits.queue)

    @property
    def used(self) -> int:
        """Permits that are out."""
        return self.permits.used

    def _join(self, waiter: Waiter) -> None:
        with self._lock:
            woken = self.permits.join(waiter, self._now())
        self._wake(woken)

    def _leave(self, waiter: Waiter) -> None:
        with self._lock:
            woken = self.permits.leave(waiter, self._now())
        self._wake(woken)

    def _outcome(self, waiter: Waiter) -> object:
        """What the waiter was granted; who is still in line has waited for long enough, and leaves."""
        if waiter.state is WaitState.WAITING:
            with self._lock:
                # Granted while this was on its way here: then it is taken.
                if waiter.state is WaitState.WAITING:
                    self.permits.leave(waiter, self._now())
        if waiter.state is WaitState.GRANTED:
            return waiter.token
        raise QueueFull if waiter.state is WaitState.DISPLACED else WaitTimedOut

    def _wake(self, woken: list[Waiter]) -> None:
        """Tell them. An event loop that is closed cannot be told: what its task was granted goes to the next one."""
        while woken:
            waiter = woken.pop(0)
            try:
                waiter.wake()
            except RuntimeError:
                with self._lock:
                    woken += self.permits.leave(waiter, self._now())


_LONGEST = 1e6
"""Longer waits, of more than eleven days, have no timer; at their end nothing is granted any more all the same."""
