"""What must hold of a bulkhead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from perfloop.exceptions import BulkheadFull, BulkheadTimedOut

from .world import CALLERS, Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .choices import Choices
    from .stepped_loop import SteppedLoop

__all__ = ["BulkheadLike", "BulkheadScene"]

LIMIT, TIMEOUT = 1, 5.0


class BulkheadLike(Protocol):
    """As much of a bulkhead as the scene asks for."""

    def aexecute(self, function: Callable[[], Awaitable[Any]], /) -> Awaitable[Any]: ...


class BulkheadScene(Scene):
    """One permit, and a queue with a deadline."""

    cancellations: ClassVar[int] = 2

    def __init__(self, loop: SteppedLoop, make: Callable[[SteppedLoop], BulkheadLike], most_waiting: int) -> None:
        super().__init__(loop)
        self._bulkhead = make(loop)
        self._most_waiting = most_waiting
        self._asked: dict[int, float] = {}
        self._running: list[int] = []
        self._leaving: set[int] = set()
        self._wrong: str | None = None

    def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Awaitable[Any]:
        self._asked[who] = self.loop.now()
        return self._bulkhead.aexecute(body)

    def began(self, who: int) -> None:
        self._running.append(who)
        in_time = [other for other, since in self._asked.items() if self.loop.now() < since + TIMEOUT]
        earlier = [other for other in in_time if other < who and other not in self._leaving]
        if earlier:
            self._wrong = f"caller {who} began before {earlier}, who had asked before"
        del self._asked[who]

    def cancelled(self, who: int) -> None:
        self._leaving.add(who)

    def ended(self, who: int, outcome: int) -> None:
        self._running.remove(who)

    def returned(self, who: int, error: BaseException | None) -> None:
        asked = self._asked.pop(who, None)
        if asked is None:
            return
        if isinstance(error, BulkheadTimedOut):
            if self.loop.now() - asked < TIMEOUT:
                self._wrong = f"caller {who} timed out early"
        elif isinstance(error, BulkheadFull):
            if len(self._running) < LIMIT or len(self._asked) < self._most_waiting:
                self._wrong = f"caller {who} found it full that was not"
        elif not isinstance(error, asyncio.CancelledError):
            self._wrong = f"caller {who} has not been called and got {error!r}"

    def violation(self) -> str | None:
        if len(self._running) > LIMIT:
            return f"callers {self._running} run at once"
        if not self.loop.is_ready() and self._asked and len(self._running) < LIMIT:
            return f"a permit is free, and {list(self._asked)} wait"
        return self._wrong

    def aftermath(self, choices: Choices) -> str | None:
        entered = 0

        async def enter() -> None:
            nonlocal entered
            entered += 1

        for _ in range(CALLERS):
            task = self.loop.create_task(self._bulkhead.aexecute(enter))  # type: ignore[arg-type]
            self.loop.run_until_idle()
            if not task.done() or task.exception() is not None:
                return "a permit is lost"
        return None
