"""A breaker a key: independent, bounded, and never closed by forgetting it."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from perfloop.exceptions import AsyncMisuse, CircuitOpen, InvalidValue
from perfloop.resilience import CircuitState, Classification, KeyedCircuitBreaker, Policy
from perfloop.resilience.circuit_breaker import keyed
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from ..naive.breaker_eviction_closes import Naive

OPEN, CLOSED = CircuitState.OPEN, CircuitState.CLOSED


def make(max_failures: int = 1, reset_timeout: float = 10.0, **settings) -> KeyedCircuitBreaker:
    settings = {"clock": FakeClock(), "registry": Registry(), "key": lambda host: host} | settings
    return KeyedCircuitBreaker(max_failures, reset_timeout, **settings)


def fail(breaker, host) -> None:
    def body(host):
        raise OSError

    with pytest.raises(OSError):
        breaker.execute(body, host)


def lets_in(breaker, host) -> bool:
    try:
        breaker.execute(lambda host: None, host)
    except CircuitOpen:
        return False
    return True


def told_by(breaker) -> list[tuple[str, dict]]:
    told = []
    breaker.on_event(lambda event: told.append((event.event, dict(event.attributes))))
    return told


def names(told) -> list[str]:
    return [event for event, _ in told if event in ("evicted", "keys_exhausted")]


def test_keys_fail_alone() -> None:
    breaker = make()
    fail(breaker, "a")
    assert [lets_in(breaker, host) for host in "ab"] == [False, True]
    assert [breaker.state(host) for host in "abc"] == [OPEN, CLOSED, CLOSED]
    assert breaker.not_closed() == {"a": OPEN}
    with pytest.raises(CircuitOpen, match=r"circuit 'keyed_circuit_breaker\[a\]'"):
        breaker.execute(int, "a")
    breaker.reset("a")
    breaker.reset("unknown")
    assert lets_in(breaker, "a")


def test_every_way_to_call_goes_by_the_key() -> None:
    breaker = make(key=lambda *, host: host)

    @breaker
    async def ask(*, host: str) -> str:
        raise OSError(host)

    @breaker
    def ask_again(*, host: str) -> str:
        return host

    with pytest.raises(OSError):
        asyncio.run(ask(host="a"))
    with pytest.raises(CircuitOpen):
        ask_again(host="a")
    assert ask_again(host="b") == "b"
    with pytest.raises(CircuitOpen):
        asyncio.run(Policy(breaker)(ask)(host="a"))
    with pytest.raises(AsyncMisuse):
        asyncio.run(breaker.aexecute(ask_again, host="b"))
    with pytest.raises(AsyncMisuse):
        breaker.execute(ask, host="c")
    assert breaker.not_closed() == {"a": OPEN}
    assert breaker.gauges()["calls_in_flight"] == 0


def check_eviction(breaker) -> None:
    """An open one stays open, however many other keys come."""
    fail(breaker, "down")
    for number in range(100):
        lets_in(breaker, number)
    assert not lets_in(breaker, "down")


def test_a_key_that_is_open_is_not_evicted() -> None:
    check_eviction(make(max_keys=4))


def test_the_naive_twin_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_eviction(Naive(1, 10.0, max_keys=4, clock=FakeClock()))


def test_a_key_with_a_call_under_way_is_not_evicted() -> None:
    breaker = make(max_keys=2)

    def many_others(host) -> None:
        for number in range(20):
            lets_in(breaker, number)
        raise OSError

    with pytest.raises(OSError):
        breaker.execute(many_others, "busy")
    assert breaker.state("busy") is OPEN


def test_a_key_that_a_new_circuit_would_replace_goes_unheard_and_others_loudly() -> None:
    breaker = make(2, max_keys=2)
    told = told_by(breaker)
    for host in "abc":
        assert lets_in(breaker, host)
    assert names(told) == []
    fail(breaker, "c")
    fail(breaker, "d")  # in place of b
    lets_in(breaker, "e")
    assert told[-2][0] == "evicted"
    assert told[-2][1] == {"key": "c", "state": "CLOSED"}


def test_keys_without_room_share_a_circuit_until_there_is_some() -> None:
    clock = FakeClock()
    breaker = make(max_keys=2, clock=clock)
    told = told_by(breaker)
    for host in "abc":
        fail(breaker, host)
    assert [lets_in(breaker, host) for host in "abcd"] == [False] * 4  # d is unknown, but so is who is to blame
    assert breaker.gauges()["keys"] == 2
    with pytest.raises(CircuitOpen, match=r"\[all others\]"):
        breaker.execute(int, "e")
    assert names(told) == ["keys_exhausted"]
    clock.advance(19.9)
    assert lets_in(breaker, "d")  # by a probe of all others
    clock.advance(0.1)
    assert lets_in(breaker, "f")  # a has been open for twice its time, and nobody asked
    assert names(told) == ["keys_exhausted", "evicted"]
    assert [attributes["state"] for event, attributes in told if event == "evicted"] == ["OPEN"]
    assert breaker.state("a") is CLOSED
    assert breaker.state("b") is OPEN


def test_the_keys_used_last_stay() -> None:
    breaker = make(max_keys=8)
    for number in range(1000):
        lets_in(breaker, "hot")
        lets_in(breaker, number)
    assert "hot" in breaker._entries
    assert len(breaker._entries) == 8


def test_a_million_keys_stay_bounded_and_each_is_looked_for_briefly() -> None:
    breaker = make(max_keys=100)
    looked_at = 0
    spotless = keyed.Circuit.is_spotless

    def counted(circuit) -> bool:
        nonlocal looked_at
        looked_at += 1
        return spotless(circuit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyed.Circuit, "is_spotless", counted)
        for number in range(10_000):  # the same for each
            lets_in(breaker, number)
    assert breaker.gauges()["keys"] == 100
    assert looked_at < 2 * 10_000
    assert breaker.counts()["successful"] == 10_000  # also of those that are gone


def test_a_key_has_to_be_hashable_and_a_function_gives_it() -> None:
    breaker = make()
    with pytest.raises(InvalidValue, match="hashable"):
        breaker.execute(len, [])
    with pytest.raises(InvalidValue, match="key"):
        make(key="host")
    with pytest.raises(InvalidValue, match="max_keys"):
        make(max_keys=0)
    with pytest.raises(InvalidValue, match="max_failures"):
        make(0)


def test_interruptions_and_predicates_that_raise_say_nothing_of_a_key() -> None:
    def broken(error: Exception) -> bool:
        raise ZeroDivisionError

    breaker = make(classification=Classification(failure=broken))
    for error, raised in ((KeyboardInterrupt(), KeyboardInterrupt), (OSError(), ZeroDivisionError)):

        def body(host, error=error):
            raise error

        with pytest.raises(raised):
            breaker.execute(body, "a")
    assert lets_in(breaker, "a")
    assert breaker.counts()["ignored"] == 2


def test_no_failure_goes_to_a_circuit_that_was_forgotten() -> None:
    """Threads call few keys while others come and go: each failure opens the circuit that later calls meet."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    breaker = make(max_keys=2)
    begin = threading.Barrier(4)

    def work(number: int) -> int:
        begin.wait()
        wrong = 0
        for turn in range(300):
            host = f"{number}:{turn}"
            if number % 2:
                lets_in(breaker, host)
                continue
            fails = breaker.state(host) is CLOSED
            try:
                breaker.execute(int, host)  # int("0:17")
            except ValueError:
                wrong += fails and breaker.state(host) is CLOSED and host in breaker._entries
            except CircuitOpen:
                breaker._others.circuit.change(lambda core, now: core.reset(now))
            breaker.reset(host)
        return wrong

    try:
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(work, range(4))) == 0
    finally:
        sys.setswitchinterval(before)
    assert breaker.gauges()["calls_in_flight"] == 0
    assert breaker.gauges()["keys"] <= 2


def test_the_key_is_of_the_calls_own_arguments_however_it_is_called() -> None:
    seen: list[str] = []
    registry = Registry()
    breaker = KeyedCircuitBreaker(3, key=lambda host: seen.append(host) or host, registry=registry)
    policy = Policy(breaker, registry=registry)

    async def call(host: str) -> str:
        return host.upper()

    assert breaker.execute(str.upper, "a") + policy.execute(str.upper, "b") + policy(lambda host: host)("c") == "ABc"
    assert asyncio.run(policy.aexecute(call, "d")) + asyncio.run(breaker.aexecute(call, "e")) == "DE"
    assert seen == ["a", "b", "c", "d", "e"]
