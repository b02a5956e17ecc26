"""What must hold of a circuit breaker: it lets in and rejects as its definition says, step by step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, Outcome

from .world import Failed, Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .choices import Choices
    from .stepped_loop import SteppedLoop

__all__ = ["MAX_FAILURES", "PROBE_TIMEOUT", "RESET_TIMEOUT", "BreakerLike", "BreakerScene"]

MAX_FAILURES, RESET_TIMEOUT, PROBE_TIMEOUT = 2, 10.0, 10.0


class BreakerLike(Protocol):
    """As much of a breaker as the scene asks for."""

    def aexecute(self, function: Callable[[], Awaitable[Any]], /) -> Awaitable[Any]: ...


class _Definition:
    """A breaker that opens at the second failure and lets one probe through, as plainly as it can be said."""

    def __init__(self) -> None:
        self.state = "closed"
        self.failures = 0
        self.generation = 0
        self.opened = 0.0
        self.probes: dict[int, float] = {}
        """Caller → when it was let in."""
        self.admitted: dict[int, int] = {}
        """Caller → in which generation it was let in."""

    def admits(self, who: int, now: float) -> bool:
        hung = [since for since in self.probes.values() if now >= since + PROBE_TIMEOUT]
        if hung:  # it counts as failed, at that moment
            self._open(hung[0] + PROBE_TIMEOUT)
        if self.state == "open" and now >= self.opened + RESET_TIMEOUT:
            self._become("half-open")
        if self.state == "open" or (self.state == "half-open" and self.probes):
            return False
        if self.state == "half-open":
            self.probes[who] = now
        self.admitted[who] = self.generation
        return True

    def ends(self, who: int, outcome: Outcome, now: float) -> None:
        generation = self.admitted.pop(who)
        if generation != self.generation:
            return
        self.probes.pop(who, None)
        if outcome == IGNORED:
            return
        self.failures = self.failures + 1 if outcome == FAILURE else 0
        if outcome == FAILURE and (self.state == "half-open" or self.failures >= MAX_FAILURES):
            self._open(now)
        elif outcome == SUCCESS and self.state == "half-open":
            self._become("closed")

    def _open(self, at: float) -> None:
        self._become("open")
        self.opened = at

    def _become(self, state: str) -> None:
        self.state = state
        self.generation += 1
        self.failures = 0
        self.probes.clear()


class BreakerScene(Scene):
    """Some calls have failed before; time passes thrice, by as much as the circuit stays open."""

    passing: ClassVar[tuple[float, ...]] = (RESET_TIMEOUT, RESET_TIMEOUT, RESET_TIMEOUT)
    outcomes: ClassVar[tuple[Outcome, ...]] = (SUCCESS, FAILURE, IGNORED)
    afterwards: ClassVar[tuple[tuple[Outcome, ...], ...]] = ((SUCCESS, FAILURE),) * 4
    """What each of the calls afterwards may come to."""

    def __init__(self, loop: SteppedLoop, make: Callable[[SteppedLoop], BreakerLike], failed_before: int) -> None:
        super().__init__(loop)
        self._breaker = make(loop)
        self._definition = _Definition()
        for who in range(failed_before):
            assert self._fares_as_defined(100 + who, FAILURE)
        self._expected: dict[int, bool] = {}
        self._wrong: str | None = None

    def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Awaitable[Any]:
        self._expected[who] = self._definition.admits(who, self.loop.now())
        return self._breaker.aexecute(body)

    def began(self, who: int) -> None:
        if not self._expected[who]:
            self._wrong = f"caller {who} was let in while the circuit is {self._definition.state}"

    def ended(self, who: int, outcome: Outcome) -> None:
        if self._expected[who]:
            self._definition.ends(who, outcome, self.loop.now())

    def returned(self, who: int, error: BaseException | None) -> None:
        if isinstance(error, CircuitOpen) and self._expected.get(who):
            self._wrong = f"caller {who} was rejected while the circuit is {self._definition.state}"

    def violation(self) -> str | None:
        return self._wrong

    def aftermath(self, choices: Choices) -> str | None:
        """Calls that end now, and some after a while, fare as defined: the state is the right one."""
        for number, outcomes in enumerate(self.afterwards):
            if number == len(self.afterwards) // 2:
                self.loop.advance(RESET_TIMEOUT)
            if not self._fares_as_defined(10 + number, choices.choose(outcomes)):
                return f"afterwards the circuit is not {self._definition.state}"
        return None

    def _fares_as_defined(self, who: int, outcome: Outcome) -> bool:
        before = self._definition.state
        expected = self._definition.admits(who, self.loop.now())
        entered: list[int] = []

        async def enter() -> None:
            entered.append(1)
            if outcome == FAILURE:
                raise Failed

        task = self.loop.create_task(_answered(self._breaker.aexecute(enter)))
        self.loop.run_until_idle()
        assert task.done(), before
        if expected:
            self._definition.ends(who, outcome, self.loop.now())
        return bool(entered) == expected


async def _answered(call: Awaitable[Any]) -> None:
    with contextlib.suppress(CircuitOpen, Failed):
        await call
