"""Single-flight: one look-up for all who want a key at the same time, in whatever thread or event loop they are."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import math
import os
import threading
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from ..coordination import waking_future
from ..exceptions import ReentrantLoad
from ..telemetry.forks import renew_lock_in_forks
from .effects import Program, run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator

    from .local import Fence, LocalLevel

__all__ = ["WAITS", "Flight", "Flights", "Landing", "Outcome", "Start", "Wait"]

_LOOK_EVERY = 1.0


class Outcome(msgspec.Struct, frozen=True):
    """How a flight ended."""

    value: Any = None
    error: BaseException | None = None
    dropped: bool = False
    """Whoever led the look-up has given up, and somebody else is to begin anew."""


class Landing(concurrent.futures.Future[Any]):
    """A future that threads and event loops wait for, and that forgets whoever waits no longer."""

    def __init__(self) -> None:
        super().__init__()
        # Waiters that are cancelled must not cancel it.
        self.set_running_or_notify_cancel()
        self._waiting: dict[asyncio.Future[None], Callable[[], None]] = {}
        self.add_done_callback(_tell)

    def tell(self, waiting: asyncio.Future[None], call: Callable[[], None]) -> None:
        """Have it called, once or twice, when this is done."""
        self._waiting[waiting] = call
        if self.done():
            call()

    def forget(self, waiting: asyncio.Future[None]) -> None:
        """He does not wait any more."""
        self._waiting.pop(waiting, None)


def _tell(landing: concurrent.futures.Future[Any]) -> None:
    assert isinstance(landing, Landing)
    calls = []
    while landing._waiting:
        with contextlib.suppress(KeyError):  # the last one has gone
            calls.append(landing._waiting.popitem()[1])
    for call in reversed(calls):
        call()


class Flight:
    """A look-up under way, and who waits for it."""

    def __init__(self, fence: Fence, owner: Flights | None = None) -> None:
        self.fence = fence
        self.owner = owner
        self.future = Landing()
        self.waiters = 0
        self.begun = False
        self.deserted = False
        self.cancel: Callable[[], None] | None = None
        """Ends the look-up, when nobody wants it any more; without it the look-up goes on."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop it is led in."""
        self.waits_for: list[Flight] = []
        """What its loader waits for."""

    @property
    def is_stranded(self) -> bool:
        """Whether the event loop it is led in was closed: it will never land."""
        return self.loop is not None and self.loop.is_closed() and not self.future.done()

    def land(self, outcome: Outcome) -> None:
        """Tell those who wait, unless they have been told."""
        if not self.future.done():
            self.future.set_result(outcome)


class Flights:
    """The look-ups under way, by key."""

    def __init__(self, local: LocalLevel) -> None:
        self._local = local
        self._flights: dict[Hashable, Flight] = {}
        self._process = os.getpid()

    def join(self, key: Hashable) -> tuple[Flight, bool]:
        """The flight for the key, and whether the caller is to lead it. Nobody joins one that may be out of date."""
        with self._local.lock:
            if self._process != os.getpid():  # forked: whoever led them is not in this process
                self._process = os.getpid()
                self._flights.clear()
            flight = self._flights.get(key)
            leads = flight is None or flight.fence.touched or flight.deserted or flight.is_stranded
            if flight is None or leads:
                flight = self._flights[key] = Flight(self._local.begin(key), self)
            flight.waiters += 1
            return flight, leads

    def leave(self, flight: Flight) -> None:
        """One waiter less; without any the look-up ends."""
        with self._local.lock:
            flight.waiters -= 1
            flight.deserted = flight.waiters == 0 and flight.cancel is not None
            cancel = flight.cancel if flight.deserted and not flight.future.done() else None
        if cancel is not None:
            cancel()

    def end(self, flight: Flight) -> None:
        """It has landed."""
        with self._local.lock:
            if self._flights.get(flight.fence.key) is flight:
                del self._flights[flight.fence.key]
            self._local.end(flight.fence)

    def give_up(self, flight: Flight) -> None:
        """It lands without having brought anything, unless it has."""
        self.end(flight)
        flight.land(Outcome(dropped=True))

    def __len__(self) -> int:
        return len(self._flights)


class Waits:
    """Which look-ups wait for which others, because their loaders ask the cache."""

    def __init__(self) -> None:
        self._lock = RLock()
        renew_lock_in_forks(self)

    @contextlib.contextmanager
    def waiting(self, loading: Collection[Flight], flight: Flight) -> Iterator[None]:
        """While the loader of all these waits for this one.

        Raises:
            ReentrantLoad: that one waits for one of these: nobody would ever be done.
        """
        with self._lock:
            if _reaches(flight, loading):
                raise ReentrantLoad("Expected loaders that do not wait for each other's keys", got=flight.fence.key)
            for each in loading:
                each.waits_for.append(flight)
        try:
            yield
        finally:
            with self._lock:
                for each in loading:
                    each.waits_for.remove(flight)


WAITS = Waits()
"""Of all caches of this process: their loaders may ask each other's."""


def _reaches(flight: Flight, others: Collection[Flight]) -> bool:
    seen, to_see = {flight}, [flight]
    while to_see:
        each = to_see.pop()
        if each in others:
            return True
        to_see += [further for further in each.waits_for if further not in seen]
        seen.update(to_see)
    return False


class Wait(msgspec.Struct, frozen=True):
    """Wait for a future, for so many seconds at most; whether it is done."""

    future: Landing
    timeout: float | None = None
    flight: Flight | None = None
    """What is waited for, if it may be stranded: then the wait ends, too."""

    def run(self) -> bool:
        return any(concurrent.futures.wait([self.future], seconds).done for seconds in self._slices())

    async def run_async(self) -> bool:
        if self.future.done():
            return True
        done, wake = waking_future()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                wake()

        self.future.tell(done, tell)
        try:
            if self.flight is not None and self.flight.loop is not asyncio.get_running_loop():
                slices = self._slices()
            elif self.timeout is not None:
                slices = iter([self.timeout])
            else:  # thousands may wait like this: nothing wakes them now and then
                await done
                return True
            for seconds in slices:
                if (await asyncio.wait([done], timeout=seconds))[0]:
                    return True
            return False
        finally:
            self.future.forget(done)  # it may land much later, or never

    def _slices(self) -> Iterator[float]:
        left = math.inf if self.timeout is None else self.timeout
        while self.flight is None or not self.flight.is_stranded:
            yield min(left, _LOOK_EVERY)
            left -= _LOOK_EVERY
            if left <= 0:
                return


class Start(msgspec.Struct, frozen=True):
    """Begin a program. In an event loop it is a task of its own, which its waiters' cancellation does not reach."""

    program: Program[None]
    flights: list[Flight]
    detached: bool
    """Whether it goes on when nobody waits for it any more; in a thread: in one of its own."""
    tasks: set[Any]
    """Keeps tasks and threads until they are done."""

    def run(self) -> None:
        if not self.detached:
            run(self.program)
            return
        context = contextvars.copy_context()

        def work() -> None:
            try:
                context.run(run, self.program)
            finally:
                self.tasks.discard(thread)

        # Daemon: a loader that never returns must not keep the interpreter from ending.
        thread = threading.Thread(target=work, name="perfloop cache load", daemon=True)
        self.tasks.add(thread)
        thread.start()

    async def run_async(self) -> None:
        task = asyncio.create_task(run_async(self.program))
        self.tasks.add(task)
        task.add_done_callback(self._done)
        loop = asyncio.get_running_loop()
        for flight in self.flights:
            flight.loop = loop
            if not self.detached:
                flight.cancel = lambda: _cancel(self.flights, task, loop)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        for flight in self.flights:
            if not flight.begun and flight.owner is not None:  # cancelled before its first step
                flight.owner.give_up(flight)


def _cancel(flights: list[Flight], task: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
    if all(flight.deserted for flight in flights):
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(task.cancel)
