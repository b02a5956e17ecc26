"""An event loop that takes one step when it is told to, and whose time passes when it is told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from asyncio import events
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context

__all__ = ["SteppedLoop"]


class SteppedLoop(asyncio.AbstractEventLoop):
    """Callbacks run in asyncio's order, one a step. What happens outside the loop happens between two steps.

    It is a clock too: `now` is the loop's time.
    """

    def __init__(self) -> None:
        self.errors: list[dict[str, Any]] = []
        """What reached the exception handler: tasks whose errors nobody took."""
        self._time = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self._time

    now = time

    def is_ready(self) -> bool:
        """Whether there is a step to take at this moment."""
        while self._ready and self._ready[0].cancelled():
            self._ready.popleft()
        return bool(self._ready)

    def step(self) -> None:
        """Run the next callback."""
        handle = self._ready.popleft()
        if not handle.cancelled():
            with self.running():
                handle._run()

    def run_until_idle(self) -> None:
        """Take every step there is to take at this moment."""
        while self.is_ready():
            self.step()

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task from outside."""
        with self.running():
            task.cancel()

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due then becomes ready, in the order it is due."""
        self._time += seconds
        while self._timers and self._timers[0][0] <= self._time:
            self._ready.append(heapq.heappop(self._timers)[2])

    def next_timer(self) -> float | None:
        """Seconds until the next timer is due."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] - self._time if self._timers else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """For as long as it lasts, this is the running loop of the thread."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            yield
        finally:
            events._set_running_loop(before)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._time + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        return asyncio.Task(coro, loop=self, **options)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass
