"""What happens to a breaker is told in resilience4j's terms, to listeners and in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import FAILURE, IGNORED, SUCCESS, CircuitBreaker, CountWindow, Outcome
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW = CountWindow(size=2, minimum_calls=2, failure_rate=1.0, slow_call_rate=1.0)


def call(breaker: CircuitBreaker, outcome: Outcome, seconds: float = 0.1) -> None:
    breaker.release(breaker.try_acquire(), outcome, seconds)


def fail(breaker: CircuitBreaker) -> None:
    call(breaker, FAILURE)
    call(breaker, FAILURE)


def be_slow(breaker: CircuitBreaker) -> None:
    call(breaker, SUCCESS, 5.0)
    call(breaker, SUCCESS, 5.0)


def be_turned_away(breaker: CircuitBreaker) -> None:
    breaker.force_open()
    with pytest.raises(CircuitOpen):
        breaker.try_acquire()


RARE = {
    "failure_rate_exceeded": fail,
    "slow_call_rate_exceeded": be_slow,
    "state_transition": fail,
    "reset": lambda breaker: breaker.reset(),
}
AT_EVERY_CALL = {
    "success": lambda breaker: call(breaker, SUCCESS),
    "error": lambda breaker: call(breaker, FAILURE),
    "ignored_error": lambda breaker: call(breaker, IGNORED),
    "not_permitted": be_turned_away,
}
FORCED = {
    "FORCED_OPEN": CircuitBreaker.force_open,
    "FORCED_CLOSED": CircuitBreaker.force_closed,
    "DISABLED": CircuitBreaker.disable,
}


def watched() -> tuple[CircuitBreaker, Registry, list[str]]:
    registry = Registry()
    told: list[str] = []
    breaker = CircuitBreaker(window=WINDOW, slow_call_duration=2.0, clock=FakeClock(), registry=registry)
    breaker.on_event(lambda event: told.append(event.event))
    return breaker, registry, told


def kept(registry: Registry) -> list[dict[str, str | float | bool]]:
    return [each.attributes for each in registry.event("perfloop.resilience.events", "x").snapshot().kept]


@pytest.mark.parametrize("event", RARE)
def test_what_is_rare_is_told_and_kept(event: str) -> None:
    breaker, registry, told = watched()
    RARE[event](breaker)
    assert event in told
    assert event in [each["event"] for each in kept(registry)]


@pytest.mark.parametrize("event", AT_EVERY_CALL)
def test_what_happens_at_every_call_is_told_and_counted(event: str) -> None:
    breaker, registry, told = watched()
    AT_EVERY_CALL[event](breaker)
    assert event in told
    assert event not in [each["event"] for each in kept(registry)]
    assert sum(breaker.counts().values()) == 1


@pytest.mark.parametrize("state", FORCED)
def test_an_order_is_a_transition(state: str) -> None:
    breaker, registry, told = watched()
    order: Callable[[CircuitBreaker], None] = FORCED[state]
    order(breaker)
    assert told == ["state_transition"]
    assert [(each["from_state"], each["to_state"]) for each in kept(registry)] == [("CLOSED", state)]
