"""What must hold of retries that share a budget, and of the budget."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from .world import Failed, Scene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from perfloop.resilience import Outcome

    from .choices import Choices
    from .stepped_loop import SteppedLoop

__all__ = ["BACKOFF", "BUDGET_TWINS", "BudgetScene", "CarefulRetry", "RetryLike"]

BURST, MAX_ATTEMPTS, BACKOFF = 1, 2, 5.0


class RetryLike(Protocol):
    """As much of a retry as the scene asks for."""

    def aexecute(self, function: Callable[[], Awaitable[Any]], /) -> Awaitable[Any]: ...


class BudgetScene(Scene):
    """Three calls share a budget for one repetition."""

    cancellations: ClassVar[int] = 1

    def __init__(self, loop: SteppedLoop, make: Callable[[SteppedLoop], RetryLike]) -> None:
        super().__init__(loop)
        self._retry = make(loop)
        self._attempts: dict[int, int] = {}
        self._ended_at: dict[int, float] = {}
        self._gave_up = self._cancelled = 0
        self._wrong: str | None = None

    def call(self, who: int, body: Callable[[], Awaitable[None]]) -> Awaitable[Any]:
        return self._retry.aexecute(body)

    def began(self, who: int) -> None:
        self._attempts[who] = attempt = self._attempts.get(who, 0) + 1
        if attempt > MAX_ATTEMPTS:
            self._wrong = f"caller {who} makes attempt {attempt}"
        if attempt > 1 and self.loop.now() < self._ended_at[who] + BACKOFF:
            self._wrong = f"caller {who} tries again before its back-off is over"

    def ended(self, who: int, outcome: Outcome) -> None:
        self._ended_at[who] = self.loop.now()

    def returned(self, who: int, error: BaseException | None) -> None:
        if isinstance(error, Failed) and self._attempts[who] < MAX_ATTEMPTS:
            self._gave_up += 1
        elif isinstance(error, asyncio.CancelledError):
            self._cancelled += 1
        elif not (error is None or isinstance(error, Failed)):
            self._wrong = f"caller {who} got {error!r}"

    def violation(self) -> str | None:
        repeated = sum(attempts - 1 for attempts in self._attempts.values())
        return f"{repeated} repetitions, paid for are {BURST}" if repeated > BURST else self._wrong

    def aftermath(self, choices: Choices) -> str | None:
        repeated = sum(attempts - 1 for attempts in self._attempts.values())
        if self._gave_up and not repeated and not self._cancelled:
            return "a call gave up although nothing of the budget was spent"
        return None


class CarefulRetry:
    """The one without fault, by hand: pays when it decides to repeat. The others pay at another time, or not at all."""

    def __init__(self, loop: SteppedLoop) -> None:
        self.held = BURST

    async def aexecute(self, function: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await function()
        except Failed:
            if not self.pays_before():
                raise
        await asyncio.sleep(BACKOFF)
        self.pays_after()
        return await function()

    def pays_before(self) -> bool:
        if not self.held:
            return False
        self.held -= 1
        return True

    def pays_after(self) -> None:
        pass


class PaysLate(CarefulRetry):
    """Pays when the repetition goes out: calls that fail together all find the budget untouched."""

    def pays_before(self) -> bool:
        return self.held > 0

    def pays_after(self) -> None:
        self.held -= 1


class PaysForWaiting(CarefulRetry):
    """Takes the price back when the repetition goes out, as if only the wait cost something."""

    def pays_after(self) -> None:
        self.held += 1


class PaysTwice(CarefulRetry):
    """Pays for every failure, the caller's last one included."""

    def __init__(self, loop: SteppedLoop) -> None:
        super().__init__(loop)
        self.held = BURST + 1

    def pays_before(self) -> bool:
        if self.held < 2:
            return False
        self.held -= 2
        return super().pays_before()


BUDGET_TWINS = (PaysLate, PaysForWaiting, PaysTwice)
