"""A circuit for each host, tenant or account, as many as there is room for."""

from __future__ import annotations

import math
from collections import OrderedDict
from functools import partial
from threading import RLock
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, TypeVar, Unpack

from ...clock import MONOTONIC
from ...exceptions import InvalidValue
from ...telemetry import DEFAULT_REGISTRY
from ...telemetry.forks import renew_lock_in_forks
from ..gate import EVERY_EXCEPTION
from ..interpreter import EVERY_CALL_LOCKS
from ..judging import Judging
from ..outcome import IGNORED, Classification, Outcome
from ..part import Description, refuse_coroutine, refuse_plain, target_of
from ..settings import count, instance
from .circuit import Circuit, Voice
from .circuit_settings import MAX_FAILURES, circuit_settings
from .core import RESULTS
from .state import CircuitState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .circuit_settings import CircuitOptions

__all__ = ["KeyedCircuitBreaker"]

P = ParamSpec("P")
R = TypeVar("R")
_LOOKED_AT = 32
"""Keys that are looked at for one that may go, before a new one has to do without a circuit of its own."""
_LONGEST_KEY = 100


class KeyedCircuitBreaker(Judging):
    """Circuit breakers of the same settings, one a key, at most `max_keys` of them.

    When there is no room, a key goes that was not called for long, and whose circuit a new one would replace without
    a difference: closed, no failure in its window, no call under way. If there is none, one that is closed, or one
    that has been open for twice its time without anybody asking: such an eviction is an event, `evicted`. No other is
    ever forgotten. New keys that find no room share one circuit, that of all others, until there is some; that is an
    event, too, `keys_exhausted`.
    """

    kind = "keyed_circuit_breaker"
    sees_arguments = True
    results = RESULTS
    gauge_names: ClassVar[tuple[str, ...]] = ("keys", "open", "calls_in_flight")

    def __init__(
        self,
        max_failures: int = MAX_FAILURES,
        reset_timeout: float = 30.0,
        *,
        key: Callable[..., Hashable],
        max_keys: int = 10_000,
        name: str = "",
        classification: Classification = EVERY_EXCEPTION,
        clock: Clock = MONOTONIC,
        registry: Registry = DEFAULT_REGISTRY,
        **options: Unpack[CircuitOptions],
    ) -> None:
        """No key yet. Other arguments as in `CircuitBreaker`.

        Args:
            key: gives the key of a call from its arguments; hashable.
            max_keys: keys with a circuit of their own, about 2 kB each.

        Raises:
            InvalidValue: a setting out of its range.
        """
        self._settings = circuit_settings(max_failures, reset_timeout, options, type(self))
        if not callable(key):
            raise InvalidValue("Expected a function that gives the key of a call", got=key, where="key")
        self._max_keys = count(max_keys, "max_keys")
        self._key = key
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._gone = (0,) * len(RESULTS)
        self._exhausted = False
        self._lock = RLock()
        renew_lock_in_forks(self)
        super().__init__(name, clock=clock, registry=registry)
        self.classification = instance(classification, Classification, "classification")
        self._others = self._new("all others")

    def wrap_judging(self, function: Callable[P, R], classification: Classification, /) -> Callable[P, R]:
        """The function behind the circuit of each call's key, for threads."""
        key, enter, leave, end, now = self._key, self._enter, self._leave, self._end, self._now
        of_result, of_error = classification.of_result, classification.of_error

        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            entry = enter(key(*target_of(function, args)[1], **kwargs))
            try:
                circuit = entry.circuit
                token = circuit.core.admitting or circuit.admit()
                outcome: Outcome = IGNORED  # and stays so should a predicate raise
                started = now()
                try:
                    result = function(*args, **kwargs)
                    if type(result) is CoroutineType:
                        refuse_coroutine(result)
                except BaseException as error:
                    outcome = of_error(error)
                    raise
                else:
                    outcome = of_result(result)
                    return result
                finally:
                    end(circuit, token, outcome, now() - started)
            finally:
                leave(entry)

        return guarded

    def awrap_judging(
        self, function: Callable[P, Awaitable[R]], classification: Classification, /
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        """The coroutine function behind the circuit of each call's key."""
        key, enter, leave, end, now = self._key, self._enter, self._leave, self._end, self._now
        of_result, of_error = classification.of_result, classification.of_error

        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            entry = enter(key(*target_of(function, args)[1], **kwargs))
            try:
                circuit = entry.circuit
                token = circuit.core.admitting or circuit.admit()
                outcome: Outcome = IGNORED  # and stays so should a predicate raise
                started = now()
                try:
                    awaitable = function(*args, **kwargs)
                    if not hasattr(awaitable, "__await__"):
                        refuse_plain(function)
                    result = await awaitable
                except BaseException as error:
                    outcome = of_error(error)
                    raise
                else:
                    outcome = of_result(result)
                    return result
                finally:
                    end(circuit, token, outcome, now() - started)
            finally:
                leave(entry)

        return guarded

    def state(self, key: Hashable) -> CircuitState:
        """Of the circuit that a call with this key would meet; closed for a key that has none yet."""
        entry = self._entries.get(key)
        return CircuitState.CLOSED if entry is None else entry.circuit.core.state

    def not_closed(self) -> dict[Hashable, CircuitState]:
        """The keys whose circuits are anything but closed."""
        with self._lock:
            states = {key: entry.circuit.core.state for key, entry in self._entries.items()}
        return {key: state for key, state in states.items() if state is not CircuitState.CLOSED}

    def reset(self, key: Hashable) -> None:
        """Close the circuit of this key, as new; nothing if it has none."""
        entry = self._entries.get(key)
        if entry is not None:
            entry.circuit.change(lambda core, now: core.reset(now))

    def describe(self) -> Description:
        """Its settings."""
        return Description(self.kind, self.name, {"max_keys": self._max_keys, **self._settings.described()})

    def counts(self) -> Mapping[str, int]:
        """Calls of all keys, also those that are gone."""
        with self._lock:
            tallies = [self._gone, self._others.circuit.tallies()]
            tallies += [entry.circuit.tallies() for entry in self._entries.values()]
        return dict(zip(RESULTS, map(sum, zip(*tallies, strict=True)), strict=True))

    def gauges(self) -> Mapping[str, float]:
        """How many keys there are, how many of them are not closed, and the calls under way."""
        with self._lock:
            entries = list(self._entries.values())
        is_open = sum(entry.circuit.core.state is not CircuitState.CLOSED for entry in entries)
        in_flight = sum(entry.in_flight for entry in (*entries, self._others))
        return {"keys": len(entries), "open": is_open, "calls_in_flight": in_flight}

    def _enter(self, key: Hashable) -> _Entry:
        """The key's entry, with the call counted as under way."""
        while True:
            try:
                entry = self._entries.get(key)
            except TypeError as error:
                raise InvalidValue("Expected a hashable key", got=key, where="key") from error
            if entry is None or EVERY_CALL_LOCKS:
                return self._enter_locked(key)
            # Who evicts asks for calls under way and marks the entry, with no call in between: either it sees this
            # call, or this call sees the mark.
            entry.in_flight += 1
            if not entry.is_gone:
                entry.was_used = True
                return entry
            entry.in_flight -= 1

    def _enter_locked(self, key: Hashable) -> _Entry:
        evicted: tuple[Hashable, CircuitState] | None = None
        exhausted = False
        text = _text(key)  # the user's code: not with the lock held
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                entry.was_used = True
            else:
                if len(self._entries) >= self._max_keys:
                    evicted = self._evict()
                if len(self._entries) < self._max_keys:
                    entry = self._entries[key] = self._new(text)
                    self._exhausted = False
                else:
                    entry = self._others
                    exhausted, self._exhausted = not self._exhausted, True
            entry.in_flight += 1
        if evicted is not None:
            self._emit("evicted", key=_text(evicted[0]), state=evicted[1].name)
        if exhausted:
            self._emit("keys_exhausted", max_keys=self._max_keys)
        return entry

    def _end(self, circuit: Circuit, token: int, outcome: Outcome, seconds: float) -> None:
        core = circuit.core
        if self._listeners or outcome or core.tick != math.inf or seconds >= core.slow_after or core.admitting != token:
            circuit.end(token, outcome, seconds)
        else:
            core.calls += 1  # no call between this and the test: see CircuitCore

    def _leave(self, entry: _Entry) -> None:
        if EVERY_CALL_LOCKS:
            with self._lock:
                entry.in_flight -= 1
        else:
            entry.in_flight -= 1

    def _new(self, text: str) -> _Entry:
        voice = Voice(partial(self._emit, key=text), partial(self._tell_of, text))
        voice.is_heard = True
        return _Entry(Circuit(f"{self.name}[{text}]", self._settings, self._now, voice))

    def _tell_of(self, key: str, event: str, **attributes: str | float | bool) -> None:
        if self._listeners:
            self._tell(event, key=key, **attributes)

    def _evict(self) -> tuple[Hashable, CircuitState] | None:
        """Make room if that can be; what was lost by it, if anything."""
        used: tuple[Hashable, _Entry] | None = None
        forgotten: tuple[Hashable, _Entry] | None = None
        for _ in range(min(_LOOKED_AT, len(self._entries))):
            key, entry = next(iter(self._entries.items()))
            if not entry.in_flight:
                if entry.circuit.is_spotless():
                    if not entry.was_used and self._drop(key, entry):
                        return None
                    used = used or (key, entry)
                elif entry.circuit.is_forgotten():
                    forgotten = forgotten or (key, entry)
            entry.was_used = False
            self._entries.move_to_end(key)
        if used is not None and self._drop(*used):
            return None
        if forgotten is not None and self._drop(*forgotten):
            return forgotten[0], forgotten[1].circuit.core.state
        return None

    def _drop(self, key: Hashable, entry: _Entry) -> bool:
        if entry.in_flight == 0:  # no call between this and the mark: see `_enter`
            entry.is_gone = True
        if not entry.is_gone:
            return False
        del self._entries[key]
        self._gone = tuple(map(sum, zip(self._gone, entry.circuit.tallies(), strict=True)))
        return True


class _Entry:
    """A key's circuit, and who uses it."""

    __slots__ = ("circuit", "in_flight", "is_gone", "was_used")

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.in_flight = 0
        self.is_gone = False
        self.was_used = False


def _text(key: Hashable) -> str:
    return str(key)[:_LONGEST_KEY]
