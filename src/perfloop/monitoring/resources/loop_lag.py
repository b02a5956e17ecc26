"""The event loop: how late it runs what is due. While a computation or a blocking call keeps it, all requests wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from .use import Use

if TYPE_CHECKING:
    from ...telemetry import Registry

__all__ = ["LoopLag", "LoopWatch"]

_PERIOD_SECONDS = 0.1
_MOST = 1000
_LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopWatch:
    """Asks one loop to call back ten times a second until stopped; the lateness of each call is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop, late: deque[float]) -> None:
        self._loop = loop
        self._late = late
        self._due = loop.time() + _PERIOD_SECONDS
        self._handle: asyncio.TimerHandle | None = loop.call_at(self._due, self._called)

    def _called(self) -> None:
        if self._handle is None:
            return
        now = self._loop.time()
        self._late.append(max(now - self._due, 0.0))
        # From now: what a loop that stood still has missed is not asked for at once.
        self._due = now + _PERIOD_SECONDS
        self._handle = self._loop.call_at(self._due, self._called)

    def stop(self) -> None:
        """Ask no more. From any thread, also when the loop is closed."""
        handle, self._handle = self._handle, None
        if handle is not None and not self._loop.is_closed():
            handle.cancel()


class LoopLag:
    """Publishes `event_loop.lag` of the loops that are watched."""

    def __init__(self, registry: Registry) -> None:
        self._lag = registry.histogram("event_loop.lag", "How late the event loop ran what was due.", buckets=_LAGS)
        self._late: deque[float] = deque(maxlen=_MOST)

    def watch(self, loop: asyncio.AbstractEventLoop | None = None) -> LoopWatch:
        """Watch a loop, the running one unless another is given; in the loop's own thread.

        Raises:
            RuntimeError: no loop is running, and none was given.
        """
        return LoopWatch(loop or asyncio.get_running_loop(), self._late)

    def start(self) -> None:
        """Count from here."""
        self._late.clear()

    def stop(self) -> None:
        """Nothing to give back: who watches a loop stops that."""

    def sample(self, elapsed: float) -> list[Use]:
        """Publish what happened since the last sample."""
        late = sorted(self._late.popleft() for _ in range(len(self._late)))
        for seconds in late:
            self._lag.observe(seconds)
        if not late:
            return []
        return [
            Use(
                resource="event loop",
                saturation=late[min(int(len(late) * 0.99), len(late) - 1)],
                saturation_is="seconds it was late, 99th percentile",
                saturation_unit="s",
            )
        ]
