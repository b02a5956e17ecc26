"""A coroutine that waits, and whoever wakes it from another thread or from its own event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["waking_future"]


def waking_future() -> tuple[asyncio.Future[None], Callable[[], None]]:
    """A future of the running event loop, and what ends it: from any thread, and as often as one likes.

    Called in its own loop that ends it at once, where `call_soon_threadsafe` and `asyncio.wrap_future` write to a pipe.
    It raises RuntimeError when it is called elsewhere and the loop is closed.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not future.done():
            future.set_result(None)

    def wake() -> None:
        if asyncio._get_running_loop() is loop:
            end()
        else:
            loop.call_soon_threadsafe(end)

    return future, wake
