"""The event loop's lag: a timer on each running loop tells how late it is, and what held the loop between requests."""

from __future__ import annotations

import os
import sys
from contextvars import Context
from time import monotonic_ns, thread_time_ns
from typing import Any

from .channel import CHANNEL
from .originals import get_ident
from .state import LOOP_TIME

__all__ = ["LOOPS", "LoopWatch", "take_lag", "watch_running_loop"]

_PERIOD = 0.025
_PERIOD_NS = 25_000_000
_IDLE_NS = 1_000_000_000
_LONG = 20_000_000


class LoopWatch:
    """One loop's timer. It stops when no request came for a second, and starts again with the next one."""

    __slots__ = ("cpu", "due", "last_request", "loop", "running", "steps", "steps_cpu", "stray", "thread", "worst")

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self.thread = get_ident()
        self.running = False
        self.worst = 0
        self.due = 0
        self.cpu = 0
        self.steps = 0
        self.steps_cpu = 0
        self.stray = 0
        """The last stack the sampler saw on this loop's thread outside any step, while the timer was late."""
        self.last_request = 0

    def start(self) -> None:
        """Set the timer. Call it on the loop's thread."""
        self.running = True
        self._arm(monotonic_ns())

    def _arm(self, now: int) -> None:
        self.due = now + _PERIOD_NS
        self.cpu = thread_time_ns()
        self.steps = LOOP_TIME.wall
        self.steps_cpu = LOOP_TIME.cpu
        self.stray = 0
        # In an empty context: that of the request would keep it alive.
        self.loop.call_later(_PERIOD, self._tick, context=Context())

    def _tick(self) -> None:
        try:
            now = monotonic_ns()
            late = now - self.due
            if late > self.worst:
                self.worst = late
            if late > _LONG:
                # The rest of the lateness no request's step accounts for: a callback or background task.
                held = late - (LOOP_TIME.wall - self.steps)
                if held > _LONG:
                    cpu = thread_time_ns() - self.cpu - (LOOP_TIME.cpu - self.steps_cpu)
                    CHANNEL.put_long_step(now - held, held, max(0, min(cpu, held)), self.stray, 0)
            if CHANNEL.open and now - self.last_request < _IDLE_NS:
                self._arm(now)
            else:
                self.running = False
        except Exception as error:
            self.running = False
            CHANNEL.hook_failed("loop lag", error)


LOOPS: dict[int, LoopWatch] = {}
"""The watched loops by thread."""


def watch_running_loop() -> None:
    """At each request: see to it that the loop it runs on is being timed."""
    thread = get_ident()
    watch = LOOPS.get(thread)
    if watch is not None and watch.running:
        watch.last_request = monotonic_ns()
        return
    loop = sys.modules["asyncio"].get_running_loop()
    if watch is None or watch.loop is not loop:
        watch = LOOPS[thread] = LoopWatch(loop)
    watch.last_request = monotonic_ns()
    watch.start()


def take_lag() -> int | None:
    """The worst lateness of any loop since the last call, in nanoseconds; None when no loop is watched."""
    worst = None
    for watch in list(LOOPS.values()):
        lag, watch.worst = watch.worst, 0
        now_late = monotonic_ns() - watch.due if watch.running else 0
        lag = max(lag, now_late)
        worst = lag if worst is None or lag > worst else worst
    return worst


def _forget_loops() -> None:
    """In a forked child: the parent's loops do not run here."""
    LOOPS.clear()


os.register_at_fork(after_in_child=_forget_loops)
