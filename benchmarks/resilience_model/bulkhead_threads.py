"""What must hold of a bulkhead that threads share, wherever they interrupt each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from unittest import mock

from perfloop.coordination import fair_semaphore
from perfloop.resilience import Bulkhead
from perfloop.telemetry import Registry

from .turns import Stuck, TurnLock, Turns, TurnSignal
from .world import CALLERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .choices import Choices

__all__ = ["NAIVE_THREAD_BULKHEADS", "ThreadBulkheadLike", "run_bulkhead_threads", "thread_bulkhead"]

_UNDER_TEST = ("perfloop/coordination", "resilience/bulkhead", "resilience_model/bulkhead_threads")
_REGISTRY = Registry()


class ThreadBulkheadLike(Protocol):
    """As much of a bulkhead as the scene asks for: one call at a time."""

    def execute(self, function: Callable[[], Any], /) -> Any: ...


def thread_bulkhead(turns: Turns) -> Bulkhead:
    """Ours, whose threads take turns when they wait for its lock."""
    bulkhead = Bulkhead(1, 3600.0, max_queue=CALLERS, registry=_REGISTRY)
    bulkhead._admission.semaphore._lock = TurnLock(turns)  # type: ignore[assignment]
    return bulkhead


def run_bulkhead_threads(make: Callable[[Turns], ThreadBulkheadLike], choices: Choices) -> str | None:
    """Three threads call once or twice each. What did not hold, if anything."""
    turns = Turns(choices, _UNDER_TEST)
    bulkhead = make(turns)
    running = most = ended = 0

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        _do_something()
        running -= 1

    def call() -> None:
        nonlocal ended
        for _ in range(2):
            bulkhead.execute(work)
        ended += 1

    with mock.patch.object(fair_semaphore, "Lock", partial(TurnSignal, turns)):
        try:
            turns.run([call] * CALLERS)
        except Stuck:
            return f"{CALLERS - ended} threads wait for ever"
    if most > 1:
        return f"{most} calls ran at once"
    for _ in range(2):
        try:
            turns.run([lambda: bulkhead.execute(work)])
        except Stuck:
            return "a permit is lost"
    return None


def _do_something() -> None:
    """A place to be interrupted at."""


class LooksThenCounts:
    """Looks whether a permit is free, does something else, and takes it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.used = 0

    def execute(self, function: Callable[[], Any], /) -> Any:
        while self.count():
            self.turns.wait_until(lambda: not self.used)
        self.used = self.count() + 1
        try:
            return function()
        finally:
            self.used = self.count() - 1

    def count(self) -> int:
        return self.used


class LosesWakeups:
    """Looks whether the permit is free and goes to sleep; who gives it back in between wakes nobody."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.free = 1
        self.asleep: list[TurnSignal] = []

    def execute(self, function: Callable[[], Any], /) -> Any:
        while not self.take():
            signal = TurnSignal(self.turns)
            signal.acquire()
            self.asleep.append(signal)
            signal.acquire()
        try:
            return function()
        finally:
            self.free = 1
            if self.asleep:
                self.asleep.pop(0).release()

    def take(self) -> bool:
        taken, self.free = self.free, 0
        return bool(taken)


NAIVE_THREAD_BULKHEADS = (LooksThenCounts, LosesWakeups)
