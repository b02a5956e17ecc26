"""What breakers in use have got wrong: ours gets it right, and each test catches the twin that does not."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
import traceback

import pytest

from perfloop.exceptions import AsyncMisuse, CircuitOpen
from perfloop.resilience import CircuitBreaker, Classification
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


def naive(trap: str):
    return importlib.import_module(f"tests.unit.resilience.naive.breaker_{trap}").Naive


def fail(breaker, error: BaseException | None = None) -> None:
    error = error or OSError()

    def body():
        raise error

    with pytest.raises(type(error)):
        breaker.execute(body)


def lets_in(breaker) -> bool:
    try:
        breaker.execute(int)
    except CircuitOpen:
        return False
    return True


class Check:
    """What has to hold of a breaker that opens after two failures in a row, for ten seconds."""

    def __init__(self, make, *, patience: float = 10.0, **settings) -> None:
        self.clock = FakeClock()
        self.breaker = make(2, 10.0, clock=self.clock, **settings)
        self.patience = patience
        """Seconds a thread that ought to go on may take."""

    def calls_run_beside_each_other(self) -> None:
        entered = threading.Event()
        other = threading.Thread(target=lambda: self.breaker.execute(entered.set))

        def body() -> bool:
            other.start()
            return entered.wait(self.patience)

        beside = self.breaker.execute(body)
        other.join()
        assert beside

    def coroutines_are_no_successes(self) -> None:
        async def body() -> None:
            raise OSError

        for _ in range(2):
            try:
                coroutine = self.breaker.execute(body)
            except AsyncMisuse:
                return
            with pytest.raises(OSError):
                asyncio.run(coroutine)
        assert not lets_in(self.breaker)

    def interruptions_say_nothing(self) -> None:
        for error in (KeyboardInterrupt(), SystemExit(), GeneratorExit(), asyncio.CancelledError()):
            fail(self.breaker, error)
        assert lets_in(self.breaker)
        fail(self.breaker)
        fail(self.breaker, asyncio.CancelledError())
        fail(self.breaker)
        assert not lets_in(self.breaker)

    def a_cancelled_task_says_nothing(self) -> None:
        async def scene() -> None:
            for _ in range(3):
                task = asyncio.ensure_future(self.breaker.aexecute(asyncio.sleep, 3600))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        fail(self.breaker)
        asyncio.run(scene())
        assert lets_in(self.breaker)

    def a_late_success_closes_nothing(self) -> None:
        def open_meanwhile() -> None:
            fail(self.breaker)
            fail(self.breaker)

        self.breaker.execute(open_meanwhile)
        assert not lets_in(self.breaker)

    def a_hung_probe_is_given_up(self) -> None:
        fail(self.breaker)
        fail(self.breaker)
        self.clock.advance(10)

        async def scene() -> bool:
            hung = asyncio.ensure_future(self.breaker.aexecute(asyncio.sleep, 3600))
            await asyncio.sleep(0)
            assert not lets_in(self.breaker)
            for _ in range(10):
                self.clock.advance(10)
                if lets_in(self.breaker):
                    break
            hung.cancel()
            return lets_in(self.breaker)

        assert asyncio.run(scene())

    def an_excluded_error_says_nothing(self) -> None:
        fail(self.breaker)
        fail(self.breaker, KeyError())
        fail(self.breaker)
        assert not lets_in(self.breaker)
        self.clock.advance(10)
        fail(self.breaker, KeyError())  # as a probe
        fail(self.breaker)  # still half-open
        assert not lets_in(self.breaker)

    def the_wall_clock_may_be_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fail(self.breaker)
        fail(self.breaker)
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: 1e12)
            assert not lets_in(self.breaker)

    def each_rejection_is_its_own(self) -> None:
        fail(self.breaker)
        fail(self.breaker)
        depths = []
        for _ in range(3):
            try:
                self.breaker.execute(int)
            except CircuitOpen as error:
                depths.append(len(traceback.extract_tb(error.__traceback__)))
        assert len(depths) == 3
        assert len(set(depths)) == 1


TRAPS = [
    ("lock_across_the_call", Check.calls_run_beside_each_other),
    ("coroutine_is_a_success", Check.coroutines_are_no_successes),
    ("cancelled_is_a_failure", Check.interruptions_say_nothing),
    ("cancelled_is_a_failure", Check.a_cancelled_task_says_nothing),
    ("cancelled_is_a_success", Check.interruptions_say_nothing),
    ("late_results_count", Check.a_late_success_closes_nothing),
    ("hung_probe", Check.a_hung_probe_is_given_up),
    ("excluded_is_a_success", Check.an_excluded_error_says_nothing),
    ("wall_clock", Check.the_wall_clock_may_be_set),
    ("one_error_for_all", Check.each_rejection_is_its_own),
]
IDS = [f"{trap}: {check.__name__}" for trap, check in TRAPS]


def arguments(check, monkeypatch) -> tuple:
    return (monkeypatch,) if check is Check.the_wall_clock_may_be_set else ()


@pytest.mark.parametrize(("trap", "check"), TRAPS, ids=IDS)
def test_the_breaker_is_in_no_trap(trap, check, monkeypatch) -> None:
    classification = Classification(ignored=LookupError)
    check(Check(CircuitBreaker, classification=classification, registry=Registry()), *arguments(check, monkeypatch))


@pytest.mark.parametrize(("trap", "check"), TRAPS, ids=IDS)
def test_the_naive_twin_is_caught(trap, check, monkeypatch) -> None:
    with pytest.raises((AssertionError, CircuitOpen, pytest.fail.Exception)):
        check(Check(naive(trap), patience=0.05), *arguments(check, monkeypatch))


def test_each_rejection_lets_go_of_what_it_went_through() -> None:
    breaker = CircuitBreaker(1, 10.0, registry=Registry())
    fail(breaker)
    errors = []
    for _ in range(2):
        with pytest.raises(CircuitOpen) as raised:
            breaker.execute(int)
        errors.append(raised.value)
    assert errors[0] is not errors[1]
    assert errors[0].__context__ is None
