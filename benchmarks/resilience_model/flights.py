"""What must hold of equal calls that share one execution."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .world import Failed, Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from perfloop.resilience import Outcome

    from .choices import Choices
    from .stepped_loop import SteppedLoop

__all__ = ["FLIGHT_TWINS", "CarefulCollapse", "CollapseLike", "FlightScene"]


class CollapseLike(Protocol):
    """As much of a collapsing part as the scene asks for; all calls are equal."""

    def aexecute(
        self, function: Callable[[int, Callable[[], Awaitable[None]]], Awaitable[int]], who: int, body: Any, /
    ) -> Awaitable[int]: ...


async def _run(who: int, body: Callable[[], Awaitable[None]]) -> int:
    await body()
    return who


class FlightScene(Scene):
    """Three equal calls; two of the callers may be cancelled."""

    cancellations: ClassVar[int] = 2

    def __init__(self, loop: SteppedLoop, make: Callable[[SteppedLoop], CollapseLike]) -> None:
        super().__init__(loop)
        self._collapse = make(loop)
        self._moment = 0
        self._asked: dict[int, int] = {}
        self._ended: dict[int, int] = {}
        self._running: set[int] = set()
        self._leaving: set[int] = set()
        self._wrong: str | None = None

    async def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Any:
        self._moment += 1
        self._asked[who] = self._moment
        worker = await self._collapse.aexecute(_run, who, body)
        if self._ended[worker] < self._asked[who]:
            self._wrong = f"caller {who} was given what had ended before it asked"

    def began(self, who: int) -> None:
        if self._running - self._leaving:
            self._wrong = f"caller {who} works, as does {self._running}"
        self._running.add(who)

    def ended(self, who: int, outcome: Outcome) -> None:
        self._moment += 1
        self._ended[who] = self._moment
        self._running.discard(who)

    def cancelled(self, who: int) -> None:
        self._leaving.add(who)
        if self._leaving >= set(self._asked):
            self._leaving |= self._running  # nobody waits for that work any longer

    def returned(self, who: int, error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError) and who not in self._leaving:
            self._wrong = f"caller {who} was cancelled together with another one"
        elif error is not None and not isinstance(error, asyncio.CancelledError | Failed):
            self._wrong = f"caller {who} got {error!r}"
        del self._asked[who]

    def violation(self) -> str | None:
        if self._running and not self._asked and not self.loop.is_ready():
            return "work goes on for nobody"
        return self._wrong

    def aftermath(self, choices: Choices) -> str | None:
        async def one_more(who: int, body: Any) -> int:
            self._ended[who] = self._moment + 1
            return who

        task = self.loop.create_task(self._collapse.aexecute(one_more, 9, None))  # type: ignore[arg-type]
        self.loop.run_until_idle()
        answered = task.done() and task.exception() is None and task.result() == 9
        return None if answered else "something is left that answers for the next call"


class CarefulCollapse:
    """The one without fault, by hand. The others leave something out."""

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop
        self.work: asyncio.Task[int] | None = None
        self.waiting = 0

    async def aexecute(self, function: Callable[[int, Any], Awaitable[int]], who: int, body: Any) -> int:
        if self.work is None:
            self.work = self.loop.create_task(self.fly(function, who, body))
            self.work.add_done_callback(lambda work: work.cancelled() or work.exception())
            self.waiting = 0
        work = self.work
        self.waiting += 1
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            if work is self.work:
                self.waiting -= 1
                self.abandon(work)
            raise
        return work.result()

    async def fly(self, function: Callable[[int, Any], Awaitable[int]], who: int, body: Any) -> int:
        try:
            return await function(who, body)
        finally:
            if self.work is asyncio.current_task(self.loop):
                self.work = None

    def abandon(self, work: asyncio.Task[int]) -> None:
        if not self.waiting:
            self.work = None
            work.cancel()


class FirstTakesAllAlong(CarefulCollapse):
    """The first caller is cancelled, and the others with it."""

    async def aexecute(self, function: Callable[[int, Any], Awaitable[int]], who: int, body: Any) -> int:
        if self.work is None:
            self.work = asyncio.current_task(self.loop)
            self.shared: asyncio.Future[int] = self.loop.create_future()
            shared = self.shared
            try:
                result = await function(who, body)
            except BaseException as error:
                if not shared.done():
                    shared.set_exception(error)
                    shared.exception()
                raise
            finally:
                self.work = None
            shared.set_result(result)
            return result
        return await asyncio.shield(self.shared)


class WorksForNobody(CarefulCollapse):
    """Goes on when the last caller has left."""

    def abandon(self, work: asyncio.Task[int]) -> None:
        pass


class KeepsResults(CarefulCollapse):
    """Answers later calls with what has ended."""

    async def fly(self, function: Callable[[int, Any], Awaitable[int]], who: int, body: Any) -> int:
        return await function(who, body)


FLIGHT_TWINS = (FirstTakesAllAlong, WorksForNobody, KeepsResults)
