"""Breakers that have one fault each, as shipped libraries have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perfloop.exceptions import CircuitOpen

from .breakers import MAX_FAILURES, PROBE_TIMEOUT, RESET_TIMEOUT
from .world import Excluded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .stepped_loop import SteppedLoop

__all__ = ["BREAKER_TWINS", "CarefulBreaker"]


class CarefulBreaker:
    """The one without fault, by hand: opens at the second failure in a row, lets one probe through.

    The others leave something out.
    """

    most_probes = 1
    probe_timeout = PROBE_TIMEOUT

    def __init__(self, loop: SteppedLoop) -> None:
        self.loop = loop
        self.generation = self.failures = 0
        self.open_since: float | None = None
        self.probes: dict[object, float] = {}

    def now(self) -> float:
        return self.loop.now()

    async def aexecute(self, function: Callable[[], Awaitable[Any]]) -> Any:
        now, call = self.now(), object()
        if self.open_since is not None:
            hung = [since for since in self.probes.values() if now >= since + self.probe_timeout]
            if hung:
                self.open_since = hung[0] + self.probe_timeout
                self.turn()
            if now < self.open_since + RESET_TIMEOUT:
                raise CircuitOpen("open")
            if len(self.probes) >= self.most_probes:
                raise CircuitOpen("half-open")
            self.probes[call] = now
        generation = self.generation
        try:
            result = await function()
        except BaseException as error:
            self.fails(call, generation, error)
            raise
        self.succeeds(call, generation)
        return result

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        was_probe = self.probes.pop(call, None) is not None
        if generation != self.generation or not isinstance(error, Exception) or isinstance(error, Excluded):
            return
        self.failures += 1
        if (self.open_since is None and self.failures >= MAX_FAILURES) or was_probe:
            self.open_since = self.now()
            self.turn()

    def succeeds(self, call: object, generation: int) -> None:
        was_probe = self.probes.pop(call, None) is not None
        if generation == self.generation:
            self.failures = 0
            if was_probe:
                self.open_since = None
                self.turn()

    def turn(self) -> None:
        self.generation += 1
        self.failures = 0
        self.probes.clear()


class CancellationFails(CarefulBreaker):
    """Takes a caller that was cancelled for a failure of the service, as purgatory does."""

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        super().fails(call, generation, error if isinstance(error, Excluded) else Exception())


class CancellationSucceeds(CarefulBreaker):
    """Takes it for a success, as circuitbreaker does."""

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        if isinstance(error, Exception):
            super().fails(call, generation, error)
        else:
            self.succeeds(call, generation)


class ExcludedSucceeds(CarefulBreaker):
    """Takes an error that is excluded for a success."""

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        if isinstance(error, Excluded):
            self.succeeds(call, generation)
        else:
            super().fails(call, generation, error)


class LateFailures(CarefulBreaker):
    """Lets a call that began before the circuit opened open it again, or for longer."""

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        if isinstance(error, Exception) and not isinstance(error, Excluded) and generation != self.generation:
            self.open_since = self.now()
        super().fails(call, generation, error)


class LateSuccesses(CarefulBreaker):
    """Lets a call that began before the circuit opened close it."""

    def succeeds(self, call: object, generation: int) -> None:
        self.probes.pop(call, None)
        self.open_since = None


class AllAreProbes(CarefulBreaker):
    """Lets everybody through once it is half-open."""

    most_probes = 1000


class ProbesHang(CarefulBreaker):
    """Waits for its probe for ever."""

    probe_timeout = 1e9


class ProbesLeak(CarefulBreaker):
    """Counts a probe that was cancelled as one under way, and never lets another one through."""

    probe_timeout = 1e9

    def fails(self, call: object, generation: int, error: BaseException) -> None:
        if isinstance(error, Exception):
            super().fails(call, generation, error)


BREAKER_TWINS = (
    CancellationFails,
    CancellationSucceeds,
    ExcludedSucceeds,
    LateFailures,
    LateSuccesses,
    AllAreProbes,
    ProbesHang,
    ProbesLeak,
)
