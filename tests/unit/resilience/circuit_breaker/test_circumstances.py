"""A breaker among threads, event loops, forks, clocks that jump, and calls that call it again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import FAILURE, SUCCESS, CircuitBreaker, CircuitState, Classification, CountWindow, TimeWindow
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

THREADS = 8


def broken(*_: object) -> bool:
    raise ZeroDivisionError


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(ZeroDivisionError):
            breaker.execute(broken)


def make(*arguments, **settings) -> CircuitBreaker:
    settings.setdefault("clock", FakeClock())
    return CircuitBreaker(*arguments, registry=Registry(), **settings)


@pytest.fixture
def hasty_switches():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work) -> list:
    begin = threading.Barrier(THREADS)

    def run(number: int):
        begin.wait()
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.usefixtures("hasty_switches")
@pytest.mark.parametrize("window", [None, CountWindow(100), TimeWindow(60.0)], ids=["row", "count", "time"])
def test_no_success_is_lost_among_threads(window) -> None:
    breaker = make(window=window, slow_call_duration=1.0)
    call = breaker(int)
    in_threads(lambda _: [call() for _ in range(2000)])
    assert breaker.counts()["successful"] == THREADS * 2000


@pytest.mark.usefixtures("hasty_switches")
def test_no_failure_is_lost_among_threads() -> None:
    breaker = make(window=CountWindow(THREADS * 1000, failure_rate=1.0, minimum_calls=THREADS * 1000))
    call, breaking = breaker(int), breaker(broken)

    def work(number: int) -> None:
        for turn in range(500):
            if (number + turn) % 2:
                call()
            else:
                with pytest.raises(ZeroDivisionError):
                    breaking()

    in_threads(work)
    assert breaker.rates == (THREADS * 500, THREADS * 250, 0)
    assert breaker.counts()["failed"] == THREADS * 250


@pytest.mark.usefixtures("hasty_switches")
def test_never_more_probes_than_allowed_among_threads() -> None:
    clock = FakeClock()
    breaker = make(1, 10.0, probes=3, clock=clock)
    for _ in range(20):
        fail(breaker)
        clock.advance(10)

        def work(number: int) -> int:
            try:
                return breaker.try_acquire()
            except CircuitOpen:
                return 0

        tokens = [token for token in in_threads(work) if token]
        assert len(set(tokens)) == len(tokens) == 3
        for token in tokens:
            breaker.release(token, SUCCESS, 0.0)
        assert breaker.state is CircuitState.CLOSED


def test_a_probe_that_is_cancelled_gives_its_place_to_another() -> None:
    clock = FakeClock()
    breaker = make(1, 10.0, clock=clock)

    async def scene() -> None:
        probe = asyncio.ensure_future(breaker.aexecute(asyncio.sleep, 3600))
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpen):
            breaker.execute(int)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe

    fail(breaker)
    clock.advance(10)
    asyncio.run(scene())
    breaker.execute(int)
    assert breaker.state is CircuitState.CLOSED


def test_the_result_of_a_probe_that_was_given_up_counts_no_more() -> None:
    clock = FakeClock()
    breaker = make(1, 10.0, probe_timeout=5.0, clock=clock)
    fail(breaker)
    clock.advance(10)
    hung = breaker.try_acquire()
    clock.advance(5)
    with pytest.raises(CircuitOpen) as raised:
        breaker.execute(int)
    assert raised.value.retry_after == 10.0
    assert "1 of 1 probes failed" in str(raised.value)
    breaker.release(hung, SUCCESS, 5.0)
    assert breaker.state is CircuitState.OPEN
    clock.advance(10)
    breaker.execute(int)
    assert breaker.state is CircuitState.CLOSED


def test_a_hung_probe_that_the_rates_bear_may_close_the_circuit_for_who_asks() -> None:
    clock = FakeClock()
    breaker = make(
        reset_timeout=10.0, window=CountWindow(10, minimum_calls=1, failure_rate=1.0), probes=2, probe_timeout=5.0,
        clock=clock,
    )  # fmt: skip
    fail(breaker)
    clock.advance(10)
    breaker.try_acquire()
    breaker.execute(int)
    with pytest.raises(CircuitOpen):
        breaker.execute(int)
    clock.advance(5)
    breaker.execute(int)
    assert breaker.state is CircuitState.CLOSED


def test_a_late_failure_opens_nothing() -> None:
    clock = FakeClock()
    breaker = make(1, 10.0, clock=clock)
    late = [breaker.try_acquire() for _ in range(3)]
    fail(breaker)
    clock.advance(10)
    for token in late:
        breaker.release(token, FAILURE, 10.0)
    breaker.execute(int)
    breaker.release(late[0], FAILURE, 10.0)
    assert breaker.state is CircuitState.CLOSED


def test_one_breaker_serves_threads_and_several_event_loops() -> None:
    breaker = make(2, 10.0)

    async def abroken() -> None:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(breaker.aexecute(abroken))
    with pytest.raises(CircuitOpen):
        breaker.execute(int)


def test_a_call_through_the_breaker_may_call_through_it_again() -> None:
    breaker = make(2, 10.0)
    assert breaker.execute(lambda: breaker.execute(lambda: breaker.execute(int))) == 0
    with pytest.raises(CircuitOpen):
        breaker.execute(lambda: breaker.execute(fail, breaker, 3))
    assert breaker.state is CircuitState.OPEN  # and the rejection inside was no failure
    assert breaker.counts()["ignored"] == 2


def test_a_listener_may_call_through_the_breaker_and_may_fail() -> None:
    breaker = make(2, 10.0)
    states = []

    def listener(event) -> None:
        if event.event == "state_transition":
            states.append(breaker.state)
            with pytest.raises(CircuitOpen):
                breaker.execute(int)
            raise ZeroDivisionError

    breaker.on_event(listener)
    fail(breaker, 2)
    assert states == [CircuitState.OPEN]


@pytest.mark.parametrize("predicate", ["failure", "ignored", "success", "failed_result"])
def test_a_predicate_that_raises_is_heard_and_leaves_the_breaker_as_it_was(predicate) -> None:
    clock = FakeClock()
    breaker = make(1, 10.0, classification=Classification(**{predicate: broken}), clock=clock)
    body = int if predicate == "failed_result" else [].pop
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            breaker.execute(body)
    assert breaker.state is CircuitState.CLOSED
    breaker._circuit.change(lambda core, now: core.open_until_told(now, now + 10.0, "told"))
    clock.advance(10)
    for _ in range(3):  # as probes, which keep no place
        with pytest.raises(ZeroDivisionError):
            breaker.execute(body)
    assert breaker.counts()["ignored"] == 6


def test_results_may_be_failures() -> None:
    breaker = make(2, 10.0, classification=Classification(failed_result=lambda status: status >= 500))
    assert [breaker.execute(lambda: status) for status in (200, 503)] == [200, 503]  # noqa: B023
    assert breaker.execute(lambda: 503) == 503
    assert breaker.state is CircuitState.OPEN


class UnsteadyClock:
    """One that is set."""

    def __init__(self) -> None:
        self.time = 10_000.0

    def now(self) -> float:
        return self.time


@pytest.mark.parametrize("jump", [-5000.0, -5.0, 5000.0])
def test_a_clock_that_jumps_opens_the_circuit_no_longer_than_it_was_to_be(jump) -> None:
    clock = UnsteadyClock()
    breaker = make(1, 10.0, clock=clock)
    fail(breaker)
    clock.time += jump
    with contextlib.suppress(CircuitOpen):
        breaker.execute(int)
    assert (breaker.retry_after or 0) <= 10.0
    clock.time += 10
    breaker.execute(int)
    assert breaker.state is CircuitState.CLOSED


def test_a_clock_that_jumps_back_hangs_no_probe_and_stops_no_recovery_and_no_window() -> None:
    clock = UnsteadyClock()
    breaker = make(
        reset_timeout=10.0, recovery_time=10.0, window=TimeWindow(10.0, minimum_calls=1), slow_call_duration=5.0,
        clock=clock,
    )  # fmt: skip
    fail(breaker)
    clock.time += 10
    breaker.try_acquire()  # hangs
    for _ in range(2):
        clock.time -= 5000
        with pytest.raises(CircuitOpen):
            breaker.execute(int)
        clock.time += 10
    clock.time += 10
    breaker.execute(int)
    clock.time -= 5000
    for _ in range(3):
        clock.time += 10
        breaker.execute(int)
    assert breaker.state is CircuitState.CLOSED
    clock.time -= 5000
    breaker.execute(int)
    breaker.execute(lambda: setattr(clock, "time", clock.time - 1))  # took less than no time
    assert breaker.counts()["slow_successful"] == 0
    fail(breaker)
    assert breaker.state is CircuitState.OPEN


def test_a_fork_goes_on_though_another_thread_held_the_lock() -> None:
    breaker = make(1, 10.0)
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with breaker._circuit._lock:
            held.set()
            enough.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = os.fork()
    if child == 0:
        try:
            fail(breaker)
            os._exit(breaker.state)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    enough.set()
    holder.join()
    assert os.waitstatus_to_exitcode(status) == CircuitState.OPEN
    assert breaker.state is CircuitState.CLOSED
