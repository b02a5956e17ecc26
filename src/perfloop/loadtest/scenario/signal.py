"""The least that an asyncio task can wait for.

A task that waits for an asyncio future is woken in the loop's next round, through a queue. One that waits for a signal
runs on at once, inside the callback that sent it: between a response and the user's next request lies no round of the
loop. Everything else of asyncio works in such a task, for it is an ordinary one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

__all__ = ["Signal"]


class Signal:
    """Something one task waits for. `send` lets it run on; may be waited for again afterwards."""

    # What asyncio asks of a future that is none of its own: these two names, add_done_callback, cancel and result.
    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None
        self._cancelled = False

    def send(self) -> None:
        """Let the waiting task run until it waits again; without one, do nothing. For callbacks, not for tasks."""
        callback = self._callback
        if callback is not None:
            self._callback = None
            assert self._context is not None
            self._context.run(callback, self)

    def send_soon(self) -> None:
        """The same in the loop's next round, for tasks: asyncio runs no task inside another."""
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)

    def __await__(self) -> Generator[Any, None, None]:
        yield self.awaited()

    def awaited(self) -> Signal:
        """What the `__await__` of another object yields to wait for the signal."""
        self._asyncio_future_blocking = True
        return self

    # What a task calls.

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
        self._loop.call_soon(self._send_if_cancelled)
        return True

    def _send_if_cancelled(self) -> None:
        if self._cancelled:  # not yet woken by what it waited for
            self.send()

    def result(self) -> None:
        """Raises: CancelledError: the wait was cancelled."""
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError
