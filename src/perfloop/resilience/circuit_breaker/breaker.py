"""The circuit breaker as a part of policies."""

from __future__ import annotations

import math
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, Unpack

from ...clock import MONOTONIC
from ...telemetry import DEFAULT_REGISTRY
from ..gate import EVERY_EXCEPTION, Gate
from ..interpreter import EVERY_CALL_LOCKS
from ..outcome import IGNORED, Classification, Outcome
from ..part import Description, PartEvent, refuse_coroutine
from ..settings import positive
from .circuit import Circuit, Voice
from .circuit_settings import MAX_FAILURES, circuit_settings
from .core import RESULTS
from .sharing import Sharing
from .state import CircuitState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .circuit_settings import CircuitOptions
    from .shared_state import SharedState
    from .windows import Rates

__all__ = ["CircuitBreaker"]

P = ParamSpec("P")
R = TypeVar("R")


class CircuitBreaker(Gate[int]):
    """Keeps calls from a service that fails: closed, open, half-open (Nygard, Release It!).

    No lock is held while the service is called. A call that began before the circuit opened, and ends afterwards,
    changes nothing. The same breaker serves threads, event loops and both at once; after a fork each process goes on
    alone.
    """

    kind = "circuit_breaker"
    results = RESULTS
    gauge_names: ClassVar[tuple[str, ...]] = ("state", "failure_rate", "slow_call_rate", "buffered_calls")
    states = tuple(state.name.lower() for state in CircuitState)

    def __init__(
        self,
        max_failures: int = MAX_FAILURES,
        reset_timeout: float = 30.0,
        *,
        shared_state: SharedState | None = None,
        shared_interval: float = 0.5,
        name: str = "",
        classification: Classification = EVERY_EXCEPTION,
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
        **options: Unpack[CircuitOptions],
    ) -> None:
        """A closed circuit. Other arguments as in `Gate`.

        Args:
            max_failures: it opens after so many calls in a row that failed or were slow.
            reset_timeout: seconds it stays open before it lets probes through.
            shared_state: with it breakers of this name in other processes open and close as this one does:
                `RedisSharedState`. A thread of this breaker reads and writes it; calls never wait for it. Half-open,
                one process at a time sends probes. While the state is lost or slow the breaker decides alone. What is
                forced or disabled stays in its process.
            shared_interval: seconds between two looks at it, so that others hear of a change; within 4 of them without
                an answer it is lost.
            options: `window`, `slow_call_duration`, `probes`, `probe_timeout`, `recovery_time`, `reset_backoff`,
                `max_reset_timeout`: see `CircuitOptions`.

        Raises:
            InvalidValue: a setting out of its range; both `max_failures` and `window`.
        """
        settings = circuit_settings(max_failures, reset_timeout, options, type(self))
        positive(shared_interval, "shared_interval")
        super().__init__(name, classification=classification, clock=clock, registry=registry)
        self._settings = settings
        self._voice = Voice(self._emit, self._tell)
        self._circuit = Circuit(self.name, settings, self._now, self._voice)
        self._core = self._circuit.core
        self._sharing: Sharing | None = None
        if shared_state is not None:
            self._sharing = Sharing(self._circuit, shared_state, settings, self._now, shared_interval)
            self._sharing.start()

    @property
    def state(self) -> CircuitState:
        """What the circuit is now. An open one turns half-open when the first call after its time comes."""
        return self._core.state

    @property
    def rates(self) -> Rates:
        """Failure and slow-call rate of the calls in the window."""
        return self._circuit.rates()

    @property
    def retry_after(self) -> float | None:
        """Seconds for which the circuit stays open; None: it is not, or nobody knows for how long."""
        return self._core.retry_after(self._now())

    def force_open(self) -> None:
        """Let no call through until `reset`, or another order: for maintenance of the service."""
        self._circuit.change(lambda core, now: core.force_open(now))

    def force_closed(self) -> None:
        """Let all calls through, whatever becomes of them, until `reset` or another order; they are still counted."""
        self._circuit.change(lambda core, now: core.force_closed(now))

    def disable(self) -> None:
        """Let all calls through and judge none, until `reset` or another order."""
        self._circuit.change(lambda core, now: core.disable(now))

    def reset(self) -> None:
        """Close the circuit, as new. What calls under way come to does not count any more."""
        self._circuit.change(lambda core, now: core.reset(now))

    def try_acquire(self) -> int:
        """Admit a call.

        Raises:
            CircuitOpen: not permitted; a new error each time.
        """
        return self._core.admitting or self._circuit.admit()

    def release(self, token: int, outcome: Outcome, seconds: float) -> None:
        """The call ended."""
        core = self._core
        if outcome or core.tick != math.inf or seconds >= core.slow_after or core.admitting != token:
            self._circuit.end(token, outcome, seconds)
        else:
            core.calls += 1  # no call between this and the test: see CircuitCore

    def wrap(self, function: Callable[P, R], /) -> Callable[P, R]:
        """The function behind this breaker, for threads."""
        core, admit, returned, raised, now = self._core, self._circuit.admit, self._returned, self._raised, self._now
        judges = self.classification.judges_results

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = core.admitting or admit()
            started = now()
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                raised(token, error, started)
                raise
            ended = now()
            if (
                judges
                or type(result) is CoroutineType
                or ended >= core.tick
                or ended - started >= core.slow_after
                or core.admitting != token
            ):
                returned(token, result, ended - started, ended)
            else:
                core.calls += 1  # no call between this and the test: see CircuitCore
            return result

        return guarded

    def awrap(self, function: Callable[P, Awaitable[R]], /) -> Callable[P, Coroutine[Any, Any, R]]:
        """The coroutine function behind this breaker."""
        core, admit, returned, raised, now = self._core, self._circuit.admit, self._returned, self._raised, self._now
        judges = self.classification.judges_results

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            token = core.admitting or admit()
            started = now()
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                raised(token, error, started)
                raise
            ended = now()
            if judges or ended >= core.tick or ended - started >= core.slow_after or core.admitting != token:
                returned(token, result, ended - started, ended)
            else:
                core.calls += 1  # no call between this and the test: see CircuitCore
            return result

        return guarded

    def on_event(self, listener: Callable[[PartEvent], object], /) -> Callable[[], None]:
        """As in `Part`. Besides what is rare: `success`, `error`, `ignored_error` and `not_permitted`."""
        end = super().on_event(listener)
        self._look()

        def end_and_look_away() -> None:
            end()
            self._look()

        return end_and_look_away

    def _look(self) -> None:
        self._voice.is_heard = bool(self._listeners)
        self._circuit.change(lambda core, _: core.watch(self._voice.is_heard or EVERY_CALL_LOCKS))

    def describe(self) -> Description:
        """Its settings."""
        return Description(self.kind, self.name, self._settings.described())

    def counts(self) -> Mapping[str, int]:
        """Calls by how they ended, each under one name."""
        return self._circuit.read(lambda core: core.counts())

    def gauges(self) -> Mapping[str, float]:
        """State as its number, and what is in the window."""
        rates = self._circuit.rates()
        numbers = (self._core.state, rates.failure_rate, rates.slow_call_rate, rates.calls)
        return dict(zip(self.gauge_names, numbers, strict=True))

    def _returned(self, token: int, result: object, seconds: float, ended: float) -> None:
        outcome: Outcome = IGNORED  # and stays so should a predicate raise
        try:
            if type(result) is CoroutineType:
                refuse_coroutine(result)
            outcome = self.classification.of_result(result)
        finally:
            self._circuit.end(token, outcome, seconds, ended)

    def _raised(self, token: int, error: BaseException, started: float) -> None:
        outcome: Outcome = IGNORED
        ended = self._now()
        try:
            outcome = self.classification.of_error(error)
        finally:
            self._circuit.end(token, outcome, ended - started, ended)
