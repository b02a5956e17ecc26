"""Keeps a circuit and a shared state in step, from a thread of its own: no call ever waits for the state."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
import weakref
from typing import TYPE_CHECKING

from ...redaction import redact_text
from .state import CircuitState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .circuit import Circuit
    from .circuit_settings import CircuitSettings
    from .core import CircuitCore
    from .shared_state import SharedState, SharedView

__all__ = ["Sharing"]

_LOG = logging.getLogger("perfloop.resilience")
_STALE_AFTER = 4
"""Intervals after which what was read last binds nobody any more."""
_REST = 0.1
"""Of an interval, between two steps, whatever happens: calls that wait for a lease wake the thread again and again."""
_LONGEST_SAID = 200
_OURS = (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED, CircuitState.RECOVERING)

_sharings: weakref.WeakSet[Sharing] = weakref.WeakSet()


class Sharing:
    """One circuit and what the others know of it."""

    def __init__(
        self, circuit: Circuit, state: SharedState, settings: CircuitSettings, now: Callable[[], float], interval: float
    ) -> None:
        """Nothing is asked yet.

        Args:
            circuit: ours.
            state: shared with the others.
            settings: of the circuit.
            now: its clock.
            interval: seconds after which the state is read again.
        """
        self._circuit = circuit
        self._state = state
        self._lease = settings.probe_timeout
        self._now = now
        self._interval = interval
        self._holder = secrets.token_hex(8)
        self._version = 0
        self._agreed = circuit.core.generation
        self._is_lost = False

    def step(self) -> None:
        """Tell what has changed here, hear what has there, and ask to send probes if calls wait for that.

        What the state raises passes through.
        """
        core = self._circuit.core
        asked = self._now()
        seen = self._circuit.read(lambda core: (core.generation, core.state, core.reason, core.open_until))
        view = self._tell(*seen, asked)
        if view is None:
            view = self._state.read(self._circuit.name)
        self._circuit.change(lambda core, now: self._hear(core, now, view, seen[0]))
        if core.wants_lease:
            asked = self._now()
            # Twice as long as probes may begin here: those that begin last have to end before another process's begin.
            granted = self._state.claim(self._circuit.name, self._holder, 2 * self._lease)
            self._circuit.change(lambda core, _: core.grant(asked + self._lease if granted.done else asked))
        self._circuit.change(lambda core, now: core.heed_leases(now + _STALE_AFTER * self._interval))

    def attempt(self) -> None:
        """A step; that the state is lost, and that it is back, is logged and told once."""
        try:
            self.step()
        except Exception as error:
            if not self._is_lost:
                _LOG.warning("circuit %r goes on alone, its shared state is lost: %s", self._circuit.name, _said(error))
                self._circuit.emit("shared_state_lost", error=_said(error))
            self._is_lost = True
        else:
            if self._is_lost:
                _LOG.warning("circuit %r shares its state again", self._circuit.name)
                self._circuit.emit("shared_state_back")
            self._is_lost = False

    def start(self) -> None:
        """Step now and then, and at once when something has changed here, until the circuit is gone."""
        wake = threading.Event()
        self._holder = secrets.token_hex(8)  # in a fork another one
        self._circuit.notify = wake.set
        _sharings.add(self)
        threading.Thread(
            target=_run, args=(weakref.ref(self), wake, self._interval), daemon=True, name="perfloop-circuit"
        ).start()

    def _tell(
        self, generation: int, state: CircuitState, reason: str, open_until: float, now: float
    ) -> SharedView | None:
        if generation == self._agreed:
            return None
        if state is CircuitState.OPEN:
            remaining = max(open_until - now, 0.0)
            return self._state.open(self._circuit.name, self._holder, self._version, remaining, reason)
        if state in (CircuitState.CLOSED, CircuitState.RECOVERING):
            return self._state.close(self._circuit.name, self._version)
        return None

    def _hear(self, core: CircuitCore, now: float, view: SharedView, seen: int) -> None:
        if view.done:
            self._version = view.version
        if core.generation != seen:
            return  # has changed since: the next step tells it first
        if view.version > self._version and not view.done and core.state in _OURS:
            if view.is_open:
                core.open_until_told(now, now + view.remaining, view.reason)
            else:
                core.close_as_told(now)
        self._version = max(self._version, view.version)
        self._agreed = core.generation


def _run(reference: weakref.ref[Sharing], wake: threading.Event, interval: float) -> None:
    while (sharing := reference()) is not None:
        sharing.attempt()
        del sharing
        time.sleep(interval * _REST)
        wake.wait(interval * (1 - _REST))
        wake.clear()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {redact_text(str(error))[:_LONGEST_SAID]}"


def _after_fork() -> None:
    for sharing in list(_sharings):
        sharing.start()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
