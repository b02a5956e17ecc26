"""Circuits of several processes open and close together, and none waits for the others."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from perfloop.exceptions import CircuitOpen, InvalidValue
from perfloop.resilience import CircuitBreaker, CircuitState
from perfloop.resilience.circuit_breaker.redis import RedisSharedState
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from .processes import Board, Process, World

if TYPE_CHECKING:
    from perfloop.resilience.circuit_breaker import SharedView

CLOSED, OPEN, HALF_OPEN = list(CircuitState)[:3]


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
    world.clock.advance(6)  # its last probe may have begun at the end of three seconds
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


def test_what_is_said_of_a_lost_state_has_no_password_in_it(caplog) -> None:
    world = World()
    world.board.read = connect_wrongly  # type: ignore[method-assign]
    world.step()
    assert "ConnectionError: cannot read redis://" in caplog.text
    assert "s3cret" not in caplog.text


def connect_wrongly(name: str) -> NoReturn:
    raise ConnectionError("cannot read redis://shop:s3cret@cache:6379/0")


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


def test_the_thread_ends_with_its_breaker() -> None:
    before = set(threading.enumerate())
    breaker = CircuitBreaker(shared_state=Board(FakeClock()), shared_interval=0.01, registry=Registry())
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    del breaker
    for _ in range(1000):
        gc.collect()
        thread.join(0.01)
        if not thread.is_alive():
            break
    assert not thread.is_alive()


def test_the_interval_is_above_0() -> None:
    with pytest.raises(InvalidValue, match="shared_interval"):
        CircuitBreaker(shared_state=Board(FakeClock()), shared_interval=0)


@pytest.mark.parametrize("connect", ["redis://:secret@host", None])
def test_a_url_is_no_function_that_connects(connect) -> None:
    with pytest.raises(InvalidValue, match="Expected a function that makes a client") as caught:
        RedisSharedState(connect)
    assert "secret" not in str(caught.value)
