"""Circuits of several processes open and close together, and none waits for the others."""

from __future__ import annotations

import pytest

from perfloop.exceptions import CircuitOpen, InvalidValue
from perfloop.resilience import CircuitBreaker, CircuitState
from perfloop.resilience.circuit_breaker import SharedView
from perfloop.resilience.circuit_breaker.sharing import Sharing
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

CLOSED, OPEN, HALF_OPEN = list(CircuitState)[:3]


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

    def read(self, name: str) -> SharedView:
        return self.view()

    def open(self, name: str, known: int, seconds: float, reason: str) -> SharedView:
        self.view()
        done = known >= self.version or self.until is None
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
        done = (self.until or 0) <= self.now() and (self.lease <= self.now() or self.holder == holder)
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


def test_what_opens_in_one_process_opens_in_all_for_the_same_time() -> None:
    world = World()
    world.processes[1].fail()
    world.clock.advance(4)
    world.step()
    world.step()
    assert world.states == [OPEN] * 3
    assert [process.breaker.retry_after for process in world] == [6.0] * 3
    with pytest.raises(CircuitOpen, match="1 calls in a row failed"):
        world.processes[0].breaker.execute(int)


def test_one_process_probes_and_all_close() -> None:
    world = World()
    world.processes[0].fail()
    world.step()
    world.clock.advance(10)
    world.step()
    assert [process.is_let_in() for process in world] == [False] * 3  # each waits for the right to
    world.step()
    assert [process.is_let_in() for process in world] == [True, False, False]
    world.step()
    assert world.states == [CLOSED] * 3
    assert all(process.is_let_in() for process in world)


def test_a_probe_that_fails_opens_all_again_for_the_full_time() -> None:
    world = World()
    world.processes[0].fail()
    world.step()
    world.clock.advance(10)
    world.step()
    world.processes[2].is_let_in()
    world.step()
    world.processes[2].fail()
    world.step()
    world.step()
    assert [process.breaker.retry_after for process in world] == [10.0] * 3


def test_never_more_probes_than_one_process_may_send() -> None:
    world = World(probes=2)
    world.processes[0].fail()
    world.step()
    world.clock.advance(10)
    world.step()
    sent = 0
    for _ in range(5):
        for process in world:
            try:
                process.breaker.try_acquire()
                sent += 1
            except CircuitOpen:
                pass
        world.step()
    assert sent == 2


def test_who_died_with_the_right_to_probe_loses_it() -> None:
    world = World(probe_timeout=3.0)
    world.processes[0].fail()
    world.step()
    world.clock.advance(10)
    world.step()
    world.processes[0].is_let_in()
    world.step()  # it has the right now, and never does anything again
    dead = world.processes.pop(0)
    world.processes[0].is_let_in()
    world.step()
    assert not world.processes[0].is_let_in()
    world.clock.advance(3)
    world.step()
    assert world.processes[0].is_let_in()
    world.step()
    assert world.states == [CLOSED] * 2
    assert dead.state is OPEN


def test_two_that_open_at_once_open_once() -> None:
    world = World()
    world.processes[0].fail()
    world.clock.advance(1)
    world.processes[1].fail()
    world.step()
    world.step()
    assert [process.breaker.retry_after for process in world] == [9.0] * 3
    assert world.board.version == 1


def test_a_reset_here_is_one_everywhere_though_it_opened_meanwhile() -> None:
    world = World()
    world.processes[0].fail()
    world.step()
    world.step()
    world.processes[1].breaker.reset()
    world.step()
    world.step()
    assert world.states == [CLOSED] * 3


def test_what_is_forced_stays_in_its_process() -> None:
    world = World()
    world.processes[0].breaker.force_open()
    world.processes[1].breaker.force_closed()
    world.processes[2].fail()
    world.step()
    world.step()
    assert world.states == [CircuitState.FORCED_OPEN, CircuitState.FORCED_CLOSED, OPEN]


def test_without_the_state_each_decides_alone_and_says_so_once() -> None:
    world = World()
    world.processes[0].fail()
    world.step()
    world.step()
    world.board.is_down = True
    world.clock.advance(10)
    for _ in range(3):
        world.step()
    assert [process.is_let_in() for process in world] == [True] * 3  # what was heard is too old to bind anybody
    assert world.states == [CLOSED] * 3
    assert [process.told.count("shared_state_lost") for process in world] == [1] * 3
    world.board.is_down = False
    world.step()
    world.step()
    assert [process.told.count("shared_state_back") for process in world] == [1] * 3
    assert world.states == [CLOSED] * 3


def test_a_state_that_hangs_binds_nobody_for_long() -> None:
    world = World(1)
    (process,) = world
    process.fail()
    process.sharing.attempt()  # the last answer
    world.clock.advance(10)
    assert process.is_let_in()


def test_a_state_that_has_forgotten_all_changes_nothing_and_learns_again() -> None:
    world = World()
    world.processes[0].fail()
    world.step()
    world.step()
    world.board.forget()
    world.step()
    assert world.states == [OPEN] * 3
    world.clock.advance(10)
    world.step()
    world.processes[0].is_let_in()
    world.step()
    assert world.processes[0].is_let_in()
    world.step()
    assert world.states == [CLOSED] * 3


def test_who_comes_later_hears_that_it_is_open() -> None:
    world = World(1)
    world.processes[0].fail()
    world.step()
    world.processes.append(Process(world))
    assert world.states == [OPEN] * 2


def test_a_change_while_the_answer_is_under_way_is_told_and_not_lost() -> None:
    world = World(2)
    here, there = world
    opens = world.board.open

    def open_and_reset(*arguments) -> SharedView:
        view = opens(*arguments)
        here.breaker.reset()
        return view

    world.board.open = open_and_reset
    here.fail()
    here.sharing.attempt()
    assert here.state is CLOSED
    world.board.open = opens
    world.step()
    world.step()
    assert world.states == [CLOSED] * 2
    assert there.told.count("state_transition") in (0, 2)


def test_the_interval_is_above_0() -> None:
    with pytest.raises(InvalidValue, match="shared_interval"):
        CircuitBreaker(shared_state=Board(FakeClock()), shared_interval=0)
