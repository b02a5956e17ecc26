"""What must hold of a rate limiter that threads share, wherever they interrupt each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from perfloop.exceptions import RateLimited
from perfloop.testing import FakeClock

from .turns import Turns
from .world import CALLERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .choices import Choices

__all__ = ["NAIVE_THREAD_LIMITERS", "ThreadLimiterLike", "run_limiter_threads"]

_UNDER_TEST = ("resilience/rate_limiter", "resilience_model/limiter_threads")
LIMIT, PER = 2, 5.0


class ThreadLimiterLike(Protocol):
    """As much of a limiter as the scene asks for: `LIMIT` calls in `PER` seconds, nobody waits."""

    def execute(self, function: Callable[[], Any], /) -> Any: ...


def run_limiter_threads(make: Callable[[FakeClock, Turns], ThreadLimiterLike], choices: Choices) -> str | None:
    """Three threads call once each while no time passes. What did not hold, if anything."""
    clock = FakeClock()
    turns = Turns(choices, _UNDER_TEST)
    limiter = make(clock, turns)
    admitted: list[int] = []
    rejected: list[int] = []

    def call() -> None:
        try:
            limiter.execute(lambda: admitted.append(1))
        except RateLimited:
            rejected.append(1)

    turns.run([call] * CALLERS)
    if len(admitted) != LIMIT or len(rejected) != CALLERS - LIMIT:
        return f"{len(admitted)} of {CALLERS} calls were admitted, and {len(rejected)} rejected"
    clock.advance(PER / LIMIT)
    call()
    call()
    return None if len(admitted) == LIMIT + 1 else f"{len(admitted) - LIMIT} calls were admitted for one token"


class LooksThenSpends:
    """Looks how many tokens there are, does something else, and takes one."""

    def __init__(self, clock: FakeClock, turns: Turns) -> None:
        self.clock = clock
        self.held, self.at = float(LIMIT), clock.now()

    def execute(self, function: Callable[[], Any], /) -> Any:
        now = self.clock.now()
        held = min(LIMIT, self.held + (now - self.at) * LIMIT / PER)
        if held < 1:
            raise RateLimited("too many")
        self.look()
        self.held, self.at = held - 1, now
        return function()

    def look(self) -> None:
        pass


NAIVE_THREAD_LIMITERS = (LooksThenSpends,)
