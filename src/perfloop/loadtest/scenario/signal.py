"""The least that an asyncio task can wait for, and a coroutine that runs on at once when it comes.

A task that waits for an asyncio future is woken in the loop's next round, through a queue. One that waits for a signal
runs on inside the callback that sent it: between a response and the user's next request lies no round of the loop.

The coroutine of a user, `Driven`, does without the task's own step as well, which costs more than what the coroutine
does between two requests. Its task waits for the `Driven` all the while, which sends the coroutine on as that task (as
asyncio lets other implementations of tasks do) as long as it waits for nothing but signals. For anything else, and when
it ends or is cancelled, the task is woken and goes on as any task does: everything of asyncio works in it.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio.tasks import _enter_task, _leave_task
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from contextvars import Context

__all__ = ["Driven", "Signal"]


class _Awaitable:
    """What asyncio asks of a future that is none of its own: these attributes, add_done_callback, cancel and result."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop", "_waking")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None
        self._cancelled = False
        self._waking: asyncio.Handle | None = None

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context) -> None:
        """Remember whom to call."""
        self._callback = callback
        self._context = context

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        """Forget whom to call."""
        known = self._callback == callback
        self._callback = None
        return int(known)

    def cancel(self, msg: object = None) -> bool:
        """Wake the task, which finds itself cancelled, in the loop's next round."""
        self._cancelled = True
        if self._waking is None:
            self._waking = self._loop.call_soon(self._wake)
        return True

    def result(self) -> None:
        """Raises: CancelledError: the wait was cancelled."""
        if self._cancelled:
            self._cancelled = False
            if self._waking is not None:  # what it waited for has woken it before
                self._waking.cancel()
                self._waking = None
            raise asyncio.CancelledError

    def _wake(self) -> None:
        """Run the step of the task that waits, if there is one."""
        callback = self._callback
        if callback is not None:
            self._callback = None
            assert self._context is not None
            self._context.run(callback, self)


class Signal(_Awaitable):
    """Something one task waits for. `send` lets it run on; may be waited for again afterwards."""

    __slots__ = ("driven",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.driven: Driven | None = None
        """What waits for it in place of a task."""

    def send(self) -> None:
        """Let the waiting task run until it waits again; without one, do nothing. For callbacks, not for tasks."""
        driven = self.driven
        if driven is not None:
            self.driven = None
            driven.run_on()
        else:
            self._wake()

    def send_soon(self) -> None:
        """The same in the loop's next round, for tasks: asyncio runs no task inside another."""
        driven, self.driven = self.driven, None
        if driven is not None:
            driven.run_on_soon()
            return
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)

    def __await__(self) -> Generator[Any, None, None]:
        yield self.awaited()

    def awaited(self) -> Signal:
        """What the `__await__` of another object yields to wait for the signal."""
        self._asyncio_future_blocking = True
        return self


_NOTHING = object()


class Driven(_Awaitable):
    """A coroutine that runs on at once when a signal comes: `await Driven(coroutine, loop)`, in a task of its own."""

    __slots__ = ("_coroutine", "_ended", "_handed", "_send", "_soon", "_step", "_task", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, object], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._coroutine = coroutine
        self._send = coroutine.send
        self._step = self._take_step
        self._task: asyncio.Task[Any] | None = None
        self._waits_for: Signal | None = None
        self._handed: object = _NOTHING
        """What it waits for and is no signal, for the task to wait for."""
        self._ended: BaseException | None = None
        """What it ended with, for the task to end with: StopIteration, or an error."""
        self._soon: asyncio.Handle | None = None

    def __await__(self) -> Generator[Any, None, object]:
        self._task = asyncio.current_task()
        error: BaseException | None = None
        while True:  # a step of the task
            try:
                waits_for = self._send(None) if error is None else self._coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            while True:
                if type(waits_for) is Signal:
                    waits_for.driven, self._waits_for = self, waits_for
                    waits_for = self
                    self._asyncio_future_blocking = True
                try:
                    yield waits_for
                except BaseException as thrown:
                    error = thrown
                ended = self._ended
                if isinstance(ended, StopIteration):
                    if error is not None:  # it was cancelled in its last step
                        raise error
                    return ended.value
                if ended is not None:
                    raise ended
                if error is not None:
                    self._wait_no_more()
                    break
                if self._handed is _NOTHING:
                    break
                waits_for, self._handed = self._handed, _NOTHING

    def cancel(self, msg: object = None) -> bool:
        """As any's; what cancels itself finds out where it waits next."""
        if inspect.getcoroutinestate(self._coroutine) != inspect.CORO_RUNNING:
            return super().cancel(msg)
        self._cancelled = True
        return True

    def run_on(self) -> None:
        """What it waited for came."""
        if self._cancelled or not self._context.run(self._step):  # type: ignore[union-attr]
            self._wake()

    def run_on_soon(self) -> None:
        """The same in the loop's next round."""
        self._soon = self._loop.call_soon(self.run_on)

    def _take_step(self) -> bool:
        """Run until it waits again; whether it waits for a signal, which needs nothing of the task."""
        loop, task = self._loop, self._task
        _enter_task(loop, task)  # type: ignore[arg-type]
        try:
            waits_for = self._send(None)
        except BaseException as ended:
            self._ended = ended
            return False
        finally:
            _leave_task(loop, task)  # type: ignore[arg-type]
        if type(waits_for) is Signal:
            waits_for.driven, self._waits_for = self, waits_for
            if self._cancelled:
                super().cancel()
            return True
        if self._cancelled:
            if waits_for is None:  # a bare yield: the next round is what it waits for
                super().cancel()
                return True
            self._cancelled = False
            waits_for.cancel()
        self._handed = waits_for
        return False

    def _wait_no_more(self) -> None:
        """The task was cancelled."""
        if self._waits_for is not None and self._waits_for.driven is self:
            self._waits_for.driven = None
        if self._soon is not None:
            self._soon.cancel()
