"""Trap 10. A waiter cancelled in the moment it is granted keeps the permit: capacity shrinks for good."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["LeakingWaiter"]


class LeakingWaiter:
    """Hands permits over to who waits, and does not think of one that is no longer there."""

    def __init__(self, max_concurrency: int) -> None:
        self._free = max_concurrency
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return sum(not each.done() for each in self._waiting)

    async def aexecute(self, function: Callable[..., Awaitable[Any]], /, *args: Any) -> Any:
        if self._free:
            self._free -= 1
        else:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        try:
            return await function(*args)
        finally:
            while self._waiting and self._waiting[0].done():
                self._waiting.popleft()
            if self._waiting:
                self._waiting.popleft().set_result(None)
            else:
                self._free += 1
