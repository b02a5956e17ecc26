"""Several processes with a breaker each and a state they share, on one clock and without threads."""

from __future__ import annotations

import pytest

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, CircuitState
from perfloop.resilience.circuit_breaker import SharedView
from perfloop.resilience.circuit_breaker.sharing import Sharing
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

__all__ = ["Board", "Process", "World"]


class Board:
    """A shared state in memory, by the rules of SharedState."""

    def __init__(self, clock: FakeClock) -> None:
        self.now = clock.now
        self.is_down = False
        self.forget()

    def forget(self) -> None:
        self.version, self.until, self.reason, self.lease, self.holder = 0, None, "", 0.0, ""

    def view(self, done: bool = False) -> SharedView:
        if self.is_down:
            raise ConnectionError("down")
        remaining = max((self.until or 0) - self.now(), 0.0)
        return SharedView(self.version, self.until is not None, remaining, self.reason, done)

    def is_free(self, holder: str) -> bool:
        return self.lease <= self.now() or self.holder == holder

    def read(self, name: str) -> SharedView:
        return self.view()

    def open(self, name: str, holder: str, known: int, seconds: float, reason: str) -> SharedView:
        self.view()
        done = self.until is None or (known >= self.version and self.is_free(holder))
        if done:
            self.version, self.until = max(known, self.version) + 1, self.now() + seconds
            self.reason, self.lease = reason, 0.0
        return self.view(done)

    def close(self, name: str, known: int) -> SharedView:
        self.view()
        done = known >= self.version
        if done:
            self.version, self.until, self.lease = max(known, self.version) + 1, None, 0.0
        return self.view(done)

    def claim(self, name: str, holder: str, seconds: float) -> SharedView:
        self.view()
        done = (self.until or 0) <= self.now() and self.is_free(holder)
        if done:
            self.lease, self.holder = self.now() + seconds, holder
        return self.view(done)


class Process:
    """A breaker of one process, whose thread steps when told."""

    def __init__(self, world: World, **settings) -> None:
        self.breaker = CircuitBreaker(1, 10.0, clock=world.clock, registry=Registry(), **settings)
        circuit = self.breaker._circuit
        self.sharing = Sharing(circuit, world.board, self.breaker._settings, world.clock.now, 0.5)
        self.told = []
        self.breaker.on_event(lambda event: self.told.append(event.event))
        self.sharing.attempt()

    @property
    def state(self) -> CircuitState:
        return self.breaker.state

    def fail(self) -> None:
        with pytest.raises(ZeroDivisionError):
            self.breaker.execute(lambda: 1 / 0)

    def is_let_in(self) -> bool:
        try:
            self.breaker.execute(int)
        except CircuitOpen:
            return False
        return True


class World:
    def __init__(self, processes: int = 3, **settings) -> None:
        self.clock = FakeClock()
        self.board = Board(self.clock)
        self.processes = [Process(self, **settings) for _ in range(processes)]

    def __iter__(self):
        return iter(self.processes)

    def step(self) -> None:
        for process in self:
            process.sharing.attempt()

    @property
    def states(self) -> list[CircuitState]:
        return [process.state for process in self]
