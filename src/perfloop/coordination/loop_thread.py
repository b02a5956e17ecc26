"""An event loop in a thread of its own, for clients that threads and other event loops share."""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .forks import begin_anew_in_forks

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

__all__ = ["LoopThread", "leave_to_parent"]

T = TypeVar("T")
_INHERITED: list[object] = []


def leave_to_parent(inherited: object) -> None:
    """Never use nor close, in a child, an event loop or connections of its parent's: the parent would lose them."""
    if inherited:
        _INHERITED.append(inherited)


class LoopThread:
    """Runs coroutines; its thread begins with the first and ends with the process. A forked child has its own."""

    def __init__(self, name: str) -> None:
        """`name`: of the thread."""
        self._name = name
        self.begin_anew()
        begin_anew_in_forks(self)

    def begin_anew(self) -> None:
        """As in a forked child."""
        leave_to_parent(getattr(self, "_loop", None))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait in this thread for what the coroutine returns. Interrupted, it cancels it.

        Raises:
            OSError: the thread cannot be started now.
        """
        future = self._submit(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def arun(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await what the coroutine returns. Cancelled, it cancels it. Raises as `run` does."""
        return await asyncio.wrap_future(self._submit(coroutine))

    def _submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        with self._starting:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                try:
                    threading.Thread(target=loop.run_forever, name=self._name, daemon=True).start()
                except RuntimeError as error:  # no more threads now, or the interpreter is at its end
                    loop.close()
                    coroutine.close()
                    raise OSError(errno.EAGAIN, f"no thread for {self._name}: {error}") from error
                self._loop = loop  # only one that runs: nobody would ever answer in another
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
