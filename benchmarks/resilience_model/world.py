"""Three callers of one part: who begins when, how each call ends, who is cancelled where, and when time passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Outcome

from .stepped_loop import SteppedLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from .choices import Choices

__all__ = ["CALLERS", "Excluded", "Failed", "Scene", "run_schedule"]

CALLERS = 3
_MOST_STEPS = 500


class Failed(Exception):
    """What a call raises that fails."""


class Excluded(Exception):
    """What a call raises that says nothing of the service."""


class Scene(ABC):
    """A part under test, and what must hold of it whatever happens. Made anew for each schedule."""

    cancellations: ClassVar[int] = 1
    """How many callers may be cancelled."""
    passing: ClassVar[tuple[float, ...]] = ()
    """Seconds that pass, in this order, at moments the schedule chooses."""
    outcomes: ClassVar[tuple[Outcome, ...]] = (SUCCESS, FAILURE)

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop

    @abstractmethod
    def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Awaitable[Any]:
        """The body behind the part."""

    def began(self, who: int) -> None:  # noqa: B027 - a scene overrides what it wants to hear of
        """The caller's body runs now."""

    def ended(self, who: int, outcome: Outcome) -> None:  # noqa: B027
        """It does no longer; the part hears of it in the same step."""

    def cancelled(self, who: int) -> None:  # noqa: B027
        """Somebody has cancelled the caller, who has not heard of it yet."""

    def returned(self, who: int, error: BaseException | None) -> None:  # noqa: B027
        """The caller has its answer."""

    @abstractmethod
    def violation(self) -> str | None:
        """What does not hold between two steps."""

    @abstractmethod
    def aftermath(self, choices: Choices) -> str | None:
        """What does not hold when every caller has its answer and nothing is left to do."""


@dataclass
class _Caller:
    number: int
    task: asyncio.Task[None] | None = None
    body: asyncio.Future[Outcome] | None = None


class _World:
    def __init__(self, scene: Scene, loop: SteppedLoop) -> None:
        self.scene = scene
        self.loop = loop
        self.callers = [_Caller(number) for number in range(CALLERS)]
        self.cancellations = scene.cancellations
        self.passing = list(scene.passing)

    def actions(self) -> list[Callable[[], object]]:
        """What may happen next."""
        actions: list[Callable[[], object]] = [self.loop.step] if self.loop.is_ready() else []
        # Callers are alike until they have begun: one order of beginning stands for all.
        waiting = next((caller for caller in self.callers if caller.task is None), None)
        if waiting is not None:
            actions.append(partial(self._begin, waiting))
        for caller in self.callers:
            if caller.body is not None and not caller.body.done():
                actions += [partial(caller.body.set_result, outcome) for outcome in self.scene.outcomes]
            if self.cancellations and caller.task is not None and not caller.task.done():
                actions.append(partial(self._cancel, caller))
        if self.passing:
            actions.append(self._pass)
        elif not actions and not self.is_over() and self.loop.next_timer() is not None:
            actions.append(partial(self.loop.advance, self.loop.next_timer() or 0.0))
        return actions

    def is_over(self) -> bool:
        return all(caller.task is not None and caller.task.done() for caller in self.callers)

    def end(self) -> None:
        """Leave nothing behind of a schedule that broke off."""
        for caller in self.callers:
            if caller.task is not None and not caller.task.done():
                self.loop.cancel(caller.task)
        self.loop.run_until_idle()

    def _begin(self, caller: _Caller) -> None:
        caller.task = self.loop.create_task(self._answer(caller))

    def _cancel(self, caller: _Caller) -> None:
        assert caller.task is not None
        self.cancellations -= 1
        self.scene.cancelled(caller.number)
        self.loop.cancel(caller.task)

    def _pass(self) -> None:
        self.loop.advance(self.passing.pop(0))

    async def _answer(self, caller: _Caller) -> None:
        error: BaseException | None = None
        try:
            await self.scene.call(caller.number, partial(self._body, caller))
        except BaseException as raised:
            error = raised.with_traceback(None)
        self.scene.returned(caller.number, error)

    async def _body(self, caller: _Caller) -> None:
        caller.body = self.loop.create_future()
        outcome: Outcome = IGNORED
        self.scene.began(caller.number)
        try:
            outcome = await caller.body
        finally:
            caller.body = None
            self.scene.ended(caller.number, outcome)
        if outcome != SUCCESS:
            raise Failed if outcome == FAILURE else Excluded


def run_schedule(make_scene: Callable[[SteppedLoop], Scene], choices: Choices) -> str | None:
    """Play one schedule. What did not hold, if anything."""
    loop = SteppedLoop()  # type: ignore[abstract]  # the rest of a loop nobody asks for here
    with loop.running():
        scene = make_scene(loop)
    world = _World(scene, loop)
    try:
        for _ in range(_MOST_STEPS):
            actions = world.actions()
            if not actions:
                break
            choices.choose(actions)()
            violation = scene.violation()
            if violation is not None:
                return violation
        else:
            return "the callers go on for ever"
        if not world.is_over():
            return "a caller waits for ever"
        if loop.errors:
            return f"an error that nobody took: {loop.errors[0]['message']}"
        return scene.aftermath(choices)
    finally:
        world.end()
