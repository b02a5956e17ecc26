"""What must hold of a rate limiter at which calls wait."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from perfloop.exceptions import RateLimited

from .world import Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .choices import Choices
    from .stepped_loop import SteppedLoop

__all__ = ["LIMITER_TWINS", "MAX_WAIT", "PER", "CarefulLimiter", "LimiterLike", "LimiterScene"]

PER, MAX_WAIT = 5.0, 12.0
_ROUNDING = 1e-5


class LimiterLike(Protocol):
    """As much of a limiter as the scene asks for: one call in `PER` seconds, others wait."""

    def aexecute(self, function: Callable[[], Awaitable[Any]], /) -> Awaitable[Any]: ...


class LimiterScene(Scene):
    """Three calls, of which each has its turn in time."""

    passing: ClassVar[tuple[float, ...]] = (3.0, 3.0)

    def __init__(self, loop: SteppedLoop, make: Callable[[SteppedLoop], LimiterLike]) -> None:
        super().__init__(loop)
        self._limiter = make(loop)
        self._asked: dict[int, float] = {}
        self._leaving: set[int] = set()
        self._last = -PER
        self._wrong: str | None = None

    def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Awaitable[Any]:
        self._asked[who] = self.loop.now()
        return self._limiter.aexecute(body)

    def began(self, who: int) -> None:
        now = self.loop.now()
        if now < self._last + PER - _ROUNDING:
            self._wrong = f"caller {who} began {now - self._last:g} s after another one"
        if any(other < who and other not in self._leaving for other in self._asked):
            self._wrong = f"caller {who} began before {min(self._asked)}, who had asked before"
        self._last = now
        del self._asked[who]

    def cancelled(self, who: int) -> None:
        self._leaving.add(who)

    def returned(self, who: int, error: BaseException | None) -> None:
        if self._asked.pop(who, None) is not None and not isinstance(error, asyncio.CancelledError):
            self._wrong = f"caller {who} would have had its turn in time, and got {error!r}"

    def violation(self) -> str | None:
        if self._asked and not self.loop.is_ready() and self.loop.now() >= self._last + PER + _ROUNDING:
            return f"nobody has begun for {self.loop.now() - self._last:g} s, and {list(self._asked)} wait"
        return self._wrong

    def aftermath(self, choices: Choices) -> str | None:
        self.loop.advance(PER)
        entered: list[int] = []

        async def enter() -> None:
            entered.append(1)

        task = self.loop.create_task(self._limiter.aexecute(enter))  # type: ignore[arg-type]
        self.loop.run_until_idle()
        if not task.done():
            self.loop.cancel(task)
            self.loop.run_until_idle()
        return None if entered else "a turn is lost"


class CarefulLimiter:
    """The one without fault, by hand: who is first in line waits for the time. The others leave something out."""

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop
        self.next = 0.0
        self.line: deque[asyncio.Future[None]] = deque()

    async def aexecute(self, function: Callable[[], Awaitable[Any]]) -> Any:
        await self.enter()
        return await function()

    async def enter(self) -> None:
        turn: asyncio.Future[None] = self.loop.create_future()
        self.line.append(turn)
        try:
            if self.line[0] is not turn:
                await turn
            while self.loop.now() < self.next:
                await asyncio.sleep(self.next - self.loop.now())
            self.next = self.loop.now() + PER
        finally:
            self.line.remove(turn)
            if self.line and not self.line[0].done():
                self.line[0].set_result(None)


class TakesTurnsAlong(CarefulLimiter):
    """Gives turns out ahead of time: who is cancelled takes one along, and the others wait for nothing."""

    async def enter(self) -> None:
        now = self.loop.now()
        mine = max(self.next, now)
        if mine - now > MAX_WAIT:
            raise RateLimited("too many")
        self.next = mine + PER
        if mine > now:
            await asyncio.sleep(mine - now)


class AllWakeAtOnce(CarefulLimiter):
    """Whoever waits wakes when the time has come, and does not look whether another one was first."""

    async def enter(self) -> None:
        now = self.loop.now()
        if now < self.next:
            await asyncio.sleep(self.next - now)
        self.next = self.loop.now() + PER


class FixedWindows(CarefulLimiter):
    """Counts in windows that begin at multiples of the time: at a boundary twice as many."""

    async def enter(self) -> None:
        while self.loop.now() // PER < self.next:
            await asyncio.sleep(PER - self.loop.now() % PER)
        self.next = self.loop.now() // PER + 1


class NewcomersFirst(CarefulLimiter):
    """Lets a newcomer have the turn for which others wait."""

    async def enter(self) -> None:
        while self.loop.now() < self.next:
            await asyncio.sleep(self.next - self.loop.now())
        self.next = self.loop.now() + PER


LIMITER_TWINS = (TakesTurnsAlong, AllWakeAtOnce, FixedWindows, NewcomersFirst)
