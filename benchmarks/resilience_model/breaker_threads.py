"""What must hold of a breaker that threads share, wherever they interrupt each other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from perfloop.exceptions import CircuitOpen
from perfloop.testing import FakeClock

from .breakers import MAX_FAILURES, RESET_TIMEOUT
from .turns import Turns
from .world import CALLERS, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .choices import Choices

__all__ = ["NAIVE_THREAD_BREAKERS", "ThreadBreakerLike", "run_breaker_threads"]


class ThreadBreakerLike(Protocol):
    """As much of a breaker as the scene asks for."""

    def execute(self, function: Callable[[], Any], /) -> Any: ...


class _Scene:
    def __init__(self, breaker: ThreadBreakerLike, choices: Choices, failed_before: int) -> None:
        self.breaker = breaker
        self.fails = [choices.choose((False, True)) for _ in range(choices.choose((CALLERS - 1, CALLERS)))]
        self.failed_before = failed_before
        self.ran: list[bool] = []
        """How each call ended that was let in: whether it failed."""
        self.running = self.rejected = 0
        self.wrong: str | None = None

    def call(self, fails: bool) -> None:
        try:
            self.breaker.execute(partial(self._body, fails))
        except CircuitOpen:
            self.rejected += 1
        except Failed:
            pass

    def _body(self, fails: bool) -> None:
        half_open = self.failed_before >= MAX_FAILURES and False not in self.ran
        if half_open and (self.running or self.ran):
            self.wrong = "a second probe was let through"
        self.running += 1
        self._do_something()
        self.running -= 1
        self.ran.append(fails)
        if fails:
            raise Failed

    def _do_something(self) -> None:
        """A place to be interrupted at."""

    def violation(self) -> str | None:
        if self.wrong:
            return self.wrong
        if len(self.ran) + self.rejected != len(self.fails):
            return "a call got no answer"
        if self.failed_before < MAX_FAILURES:
            failures = self.failed_before + sum(self.ran)
            # In every order of the failures, if no success lies between them.
            opens, stays = failures >= MAX_FAILURES and False not in self.ran, failures < MAX_FAILURES
        else:
            opens, stays = self.ran == [True], not self.ran[0] and sum(self.ran) < MAX_FAILURES
        is_open = self._is_open()
        return f"{self.ran} failed, and open is {is_open}" if (opens and not is_open) or (stays and is_open) else None

    def _is_open(self) -> bool:
        entered: list[int] = []
        try:
            self.breaker.execute(lambda: entered.append(1))
        except CircuitOpen:
            pass
        return not entered


def run_breaker_threads(
    make: Callable[[FakeClock, Turns], ThreadBreakerLike], failed_before: int, choices: Choices
) -> str | None:
    """Three threads call once each. What did not hold, if anything."""
    clock = FakeClock()
    turns = Turns(choices, ("resilience/circuit_breaker", "resilience_model/breaker_threads"))
    scene = _Scene(make(clock, turns), choices, failed_before)
    for _ in range(failed_before):
        try:
            scene.breaker.execute(_fail)
        except Failed:
            pass
    if failed_before >= MAX_FAILURES:
        clock.advance(RESET_TIMEOUT)
    try:
        turns.run([partial(scene.call, fails) for fails in scene.fails])
    except Exception as error:
        return f"a call raised {error!r}"
    return scene.violation()


def _fail() -> None:
    raise Failed


class LosesCounts:
    """Reads the count of failures, does something else, and writes it."""

    def __init__(self, clock: FakeClock, turns: Turns) -> None:
        self.clock = clock
        self.failures = 0
        self.open_since: float | None = None
        self.probing = False

    def execute(self, function: Callable[[], Any], /) -> Any:
        if self.open_since is not None and not self.lets_probe():
            raise CircuitOpen("open")
        try:
            result = function()
        except Failed:
            self.failures = self.count() + 1
            if self.failures >= MAX_FAILURES:
                self.open_since, self.probing = self.clock.now(), False
            raise
        self.failures, self.open_since, self.probing = 0, None, False
        return result

    def count(self) -> int:
        return self.failures

    def lets_probe(self) -> bool:
        if self.probing or self.open_since is None or self.clock.now() < self.open_since + RESET_TIMEOUT:
            return False
        self.probing = True
        return True


class LetsTwoProbe(LosesCounts):
    """Asks whether a probe is under way, and says only then that one is."""

    def count(self) -> int:
        return self.failures

    def lets_probe(self) -> bool:
        free = not self.probing and self.open_since is not None
        free = free and self.clock.now() >= (self.open_since or 0.0) + RESET_TIMEOUT
        self.look()
        self.probing = True
        return free

    def look(self) -> None:
        pass


NAIVE_THREAD_BREAKERS = (LosesCounts, LetsTwoProbe)
