"""Running a measurement so that Ctrl-C ends it well: partial results are kept and no child process is left."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from .signals import SAME_SECONDS, ours

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

__all__ = ["Outcome", "run_until_stopped"]

T = TypeVar("T")


class Outcome(NamedTuple, Generic[T]):
    """What a measurement returned, and whether a signal ended it early."""

    result: T
    interrupted: bool


def run_until_stopped(measure: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> Outcome[T]:
    """Run a coroutine on its own event loop (uvloop where there is one).

    The first SIGINT, SIGTERM or SIGHUP sets the event it was given: it ends early and returns what it has. The second
    cancels it, so that its clean-up still stops every child; one that comes at the same time as the first is the first.

    Args:
        measure: called with the stop event.

    Raises:
        KeyboardInterrupt: the measurement had nothing to return when it was stopped.
    """
    from ..loadtest import new_event_loop

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_run(measure))


async def _run(measure: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> Outcome[T]:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    task = asyncio.ensure_future(measure(stop))

    first = 0.0

    def on_signal() -> None:
        nonlocal first
        if not stop.is_set():
            first = loop.time()
            stop.set()
        elif loop.time() - first > SAME_SECONDS:
            task.cancel()

    handlers = {number: signal.getsignal(number) for number in ours()}
    for number in handlers:
        loop.add_signal_handler(number, on_signal)
    try:
        return Outcome(await task, stop.is_set())
    except asyncio.CancelledError:
        if stop.is_set():
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in handlers.items():
            loop.remove_signal_handler(number)
            # asyncio leaves the default, by which a signal would kill us while the results are written.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
