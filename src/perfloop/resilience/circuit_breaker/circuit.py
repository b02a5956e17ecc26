"""The state machine with a clock, a lock and a voice."""

from __future__ import annotations

import math
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from ...exceptions import CircuitOpen
from ...telemetry.forks import renew_lock_in_forks
from ..interpreter import EVERY_CALL_LOCKS
from ..outcome import FAILURE, IGNORED, SUCCESS, Outcome
from .core import CircuitCore, Happening
from .state import CircuitState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit_settings import CircuitSettings
    from .windows import Rates

__all__ = ["Circuit", "Voice"]

T = TypeVar("T")

_ENDS = {SUCCESS: "success", FAILURE: "error", IGNORED: "ignored_error"}


class Voice:
    """Whom a circuit tells what has happened."""

    __slots__ = ("emit", "is_heard", "tell")

    def __init__(self, emit: Callable[..., None], tell: Callable[..., None]) -> None:
        self.emit = emit
        """For what is rare."""
        self.tell = tell
        """For what happens at each call."""
        self.is_heard = False
        """Whether somebody listens to `tell`."""


class Circuit:
    """One circuit for all threads, tasks and event loops of a process. The lock is held for its own few steps only."""

    __slots__ = ("__weakref__", "_lock", "_now", "_refusal", "_voice", "core", "name", "notify")

    def __init__(self, name: str, settings: CircuitSettings, now: Callable[[], float], voice: Voice) -> None:
        """A closed circuit.

        Args:
            name: for messages.
            settings: of its state machine.
            now: seconds that never go backwards.
            voice: told without the lock.
        """
        self.name = name
        self._now = now
        self._voice = voice
        # Reentrant: a signal handler may call through the circuit while its thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)
        self.core = CircuitCore(settings, now(), watched=EVERY_CALL_LOCKS)
        self._refusal = (0, "")
        self.notify: Callable[[], None] | None = None
        """Called when something has happened that other processes may want to know."""

    def admit(self) -> int:
        """The token of a call that begins now. Never waits for the service, nor for calls under way.

        Raises:
            CircuitOpen: not permitted.
        """
        core, voice, now = self.core, self._voice, self._now()
        until = core.open_until
        # What is open stays so, whoever asks, until its time: nothing to decide, so no lock.
        if core.opened_at <= now < until and not EVERY_CALL_LOCKS:
            core.not_permitted += 1
            after = None if until == math.inf else until - now
        else:
            with self._lock:
                token = core.admit(now)
                happened = core.take_happened()
                after = core.retry_after(now)
            if happened or core.wants_lease:
                self._say(happened)
            if token:
                return token
        if voice.is_heard:
            voice.tell("not_permitted", state=core.state.name)
        generation, refusal = self._refusal
        if generation != core.generation:
            generation = core.generation
            refusal = self._refuse()
            self._refusal = generation, refusal
        raise CircuitOpen(refusal, after)

    def end(self, token: int, outcome: Outcome, seconds: float, now: float | None = None) -> None:
        """A call that was let in has ended. Never raises.

        Args:
            token: what `admit` gave.
            outcome: how.
            seconds: how long it took.
            now: the clock, if it was read.
        """
        self.change(lambda core, now: core.end(token, outcome, now, seconds), now)
        if self._voice.is_heard:
            self._voice.tell(_ENDS[outcome], seconds=seconds)

    def change(self, step: Callable[[CircuitCore, float], object], now: float | None = None) -> None:
        """Have the state machine do something, and tell what came of it."""
        if now is None:
            now = self._now()
        with self._lock:
            step(self.core, now)
            happened = self.core.take_happened()
        if happened:
            self._say(happened)

    def read(self, question: Callable[[CircuitCore], T]) -> T:
        """Something of the state machine, all of one moment."""
        with self._lock:
            return question(self.core)

    def emit(self, event: str, **attributes: str | float | bool) -> None:
        """Tell something of this circuit."""
        self._voice.emit(event, **attributes)

    def tallies(self) -> tuple[int, ...]:
        """Calls by how they ended, in the order of `RESULTS`."""
        with self._lock:
            return self.core.tallies()

    def rates(self) -> Rates:
        """What is in the window."""
        with self._lock:
            return self.core.rates(self._now())

    def is_spotless(self) -> bool:
        """Whether a new circuit would do the same."""
        with self._lock:
            return self.core.is_spotless(self._now())

    def is_forgotten(self) -> bool:
        """Whether it is closed, or its time has been over for as long again without a call."""
        core, now = self.core, self._now()
        if core.state is CircuitState.OPEN:
            return now >= core.open_until + (core.open_until - core.opened_at)
        return core.state is CircuitState.CLOSED

    def _say(self, happened: list[Happening]) -> None:
        for event, attributes in happened:
            self._voice.emit(event, **attributes)
        if self.notify is not None:
            self.notify()

    def _refuse(self) -> str:
        core, state = self.core, self.core.state
        if state is CircuitState.OPEN:
            said = f"it is open: {core.reason}"
        elif state is CircuitState.HALF_OPEN:
            said = f"it is half-open, and as many probes as may are under way; it was open: {core.reason}"
        elif state is CircuitState.RECOVERING:
            said = "it is recovering, and lets a share of the calls through that grows"
        else:
            said = f"it is {state.name.lower().replace('_', ' ')}"
        return f"Expected circuit {self.name!r} to let the call through; {said}"
