"""Running the engine: on the loop that runs already, or on one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from ..exceptions import ConfigurationError
from .engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from .lifecycle import Lifecycle
    from .options import LoadOptions
    from .outcome import LoadOutcome, Progress

__all__ = ["engine_for", "new_event_loop", "quiet_collector", "run", "run_interruptibly", "run_sync"]

T = TypeVar("T")


async def run(
    options: LoadOptions,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> LoadOutcome:
    """Run a load test on the running event loop, uvloop's or asyncio's own.

    Whatever else runs on that loop delays requests; if it does so noticeably, the outcome is not trustworthy.

    Args:
        on_progress: called on the loop about four times a second; it must return within a fraction of a millisecond.
        stop: set it to end the test at once; the outcome is then partial, and requests in flight are `abandoned`.

    Raises:
        InvalidValue: an option is out of range.
        UnreachableTarget: a connection cannot be opened before the clock starts.
    """
    return await engine_for(options, on_progress).run(stop)


def engine_for(options: LoadOptions, on_progress: Callable[[Progress], None] | None = None) -> Lifecycle:
    """The engine for the options.

    Raises:
        InvalidValue: an option is out of range.
        ConfigurationError: something in a scenario cannot be used.
    """
    if options.scenario is None:
        return Engine(options, on_progress)
    from .scenario import starting

    return starting.engine_for(options, on_progress)


def run_sync(
    options: LoadOptions,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop_on_interrupt: bool = False,
) -> LoadOutcome:
    """Run a load test on an event loop of its own, in this thread, with the garbage collector quiet.

    Args:
        on_progress: as for `run`.
        stop_on_interrupt: let the first Ctrl-C end the test with a partial outcome instead of KeyboardInterrupt. Has
            an effect in the main thread only.

    Raises:
        ConfigurationError: an event loop runs in this thread.
        InvalidValue: an option is out of range.
        UnreachableTarget: a connection cannot be opened before the clock starts.
    """
    with quiet_collector():
        return run_interruptibly(
            lambda stop: run(options, on_progress=on_progress, stop=stop), stop_on_interrupt=stop_on_interrupt
        )


def run_interruptibly(measure: Callable[[asyncio.Event], Coroutine[Any, Any, T]], *, stop_on_interrupt: bool) -> T:
    """Run a coroutine on an event loop of its own, in this thread.

    Args:
        measure: called with an event that asks it to end early.
        stop_on_interrupt: let the first Ctrl-C set the event instead of raising KeyboardInterrupt, in the main thread.

    Raises:
        ConfigurationError: an event loop runs in this thread already.
    """
    _expect_no_loop()

    async def main() -> T:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell)
        interruptible = stop_on_interrupt and threading.current_thread() is threading.main_thread()
        if interruptible:
            loop.add_signal_handler(signal.SIGINT, stop.set)
        try:
            return await measure(stop)
        finally:
            if interruptible:
                loop.remove_signal_handler(signal.SIGINT)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main())


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As the loop does of itself, but for what uvloop says where a connection ends in the last step of its handshake.

    Whoever owns the connection is told that it was lost, as always.
    """
    error = context.get("exception")
    if isinstance(error, RuntimeError) and str(error).endswith("the handler is closed"):
        return
    loop.default_exception_handler(context)


def _expect_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(
        "Expected a thread without a running event loop, which would stand still during the test",
        hint="use `await test.arun()` for `test.run()`, `await run(options)` for `run_sync(options)`, and "
        "`await find_capacity(options)` for `find_capacity_sync(options)`",
    )


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An uvloop event loop, or asyncio's own where uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


@contextlib.contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection inside: the engine makes no cycles while it runs, and a collection is a stall."""
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()
