"""Single-flight: one look-up for all who want a key at the same time, in whatever thread or event loop they are."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from .effects import Program, run, run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .local import Fence, LocalLevel

__all__ = ["Flight", "Flights", "Start", "Wait"]


class Flight:
    """A look-up under way, and who waits for it."""

    def __init__(self, fence: Fence) -> None:
        self.fence = fence
        self.future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        # Waiters that are cancelled must not cancel it.
        self.future.set_running_or_notify_cancel()
        self.waiters = 0
        self.deserted = False
        self.cancel: Callable[[], None] | None = None
        """Ends the look-up, when nobody wants it any more."""


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
            leads = flight is None or flight.fence.touched or flight.deserted
            if flight is None or leads:
                flight = self._flights[key] = Flight(self._local.begin(key))
            flight.waiters += 1
            return flight, leads

    def leave(self, flight: Flight) -> None:
        """One waiter less; without any the look-up ends."""
        with self._local.lock:
            flight.waiters -= 1
            flight.deserted = flight.waiters == 0
            cancel = flight.cancel if flight.deserted and not flight.future.done() else None
        if cancel is not None:
            cancel()

    def end(self, flight: Flight) -> None:
        """It has landed."""
        with self._local.lock:
            if self._flights.get(flight.fence.key) is flight:
                del self._flights[flight.fence.key]
            self._local.end(flight.fence)

    def __len__(self) -> int:
        return len(self._flights)


class Wait(msgspec.Struct, frozen=True):
    """Wait for a future, for so many seconds at most; whether it is done."""

    future: concurrent.futures.Future[Any]
    timeout: float | None = None

    def run(self) -> bool:
        return bool(concurrent.futures.wait([self.future], self.timeout).done)

    async def run_async(self) -> bool:
        if self.future.done():
            return True
        done, _ = await asyncio.wait([asyncio.wrap_future(self.future)], timeout=self.timeout)
        return bool(done)


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
        task.add_done_callback(self.tasks.discard)
        loop = asyncio.get_running_loop()
        if not self.detached:
            for flight in self.flights:
                flight.cancel = lambda: _cancel(self.flights, task, loop)


def _cancel(flights: list[Flight], task: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
    if all(flight.deserted for flight in flights) and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)
