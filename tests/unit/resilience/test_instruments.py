"""What parts count and are in, as metrics: names, units, descriptions, and what several make together."""

from __future__ import annotations

import gc

import pytest

import perfloop.resilience as resilience
from perfloop.resilience import CircuitBreaker, Part, Retry
from perfloop.resilience.gauge_meanings import GAUGES, meaning
from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.resilience import values_of
from perfloop.testing import FakeClock


def parts() -> list[type[Part]]:
    """Every class of part that perfloop offers."""
    found = [getattr(resilience, name) for name in resilience.__all__]
    return [each for each in found if isinstance(each, type) and issubclass(each, Part) and getattr(each, "kind", "")]


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.kind)
def test_every_gauge_of_every_part_is_described(part: type[Part]) -> None:
    assert set(part.gauge_names) <= set(GAUGES)
    assert bool(part.states) == ("state" in part.gauge_names)


def test_a_gauge_of_somebody_else_is_described_by_its_name() -> None:
    assert meaning("tokens_left").description == "Tokens left."


def breakers(registry: Registry, *fail: int) -> list[CircuitBreaker]:
    """Breakers of one name; each has failed so often."""
    made = []
    for failures in fail:
        breaker = CircuitBreaker(2, 30.0, name="pay", clock=FakeClock(), registry=registry)
        for _ in range(failures):
            breaker.release(breaker.try_acquire(), 1, 0.1)
        made.append(breaker)
    return made


def test_the_exposition_says_how_many_breakers_are_in_which_state() -> None:
    registry = Registry()
    made = breakers(registry, 2, 0, 1)
    text = render(registry)[0].decode()
    for line in (
        "# HELP perfloop_circuit_breaker_calls_total Calls by how they ended.",
        'perfloop_circuit_breaker_calls_total{name="pay",result="failed"} 3',
        "# HELP perfloop_circuit_breaker_state Circuit breakers in this state.",
        'perfloop_circuit_breaker_state{name="pay",state="open"} 1.0',
        'perfloop_circuit_breaker_state{name="pay",state="closed"} 2.0',
        'perfloop_circuit_breaker_state{name="pay",state="half_open"} 0.0',
        'perfloop_circuit_breaker_failure_rate_ratio{name="pay"} 1.0',
    ):
        assert line in text.splitlines(), line
    assert len(made) == 3


def test_a_part_that_is_gone_leaves_its_counts_and_no_state() -> None:
    registry = Registry()
    made = breakers(registry, 2)
    registry.collect()
    made.clear()
    gc.collect()
    values = values_of(registry.collect())
    assert values["circuit_breaker", "pay", "calls", "failed"] == 2
    assert values["circuit_breaker", "pay", "state", "open"] == 0


def test_a_retry_shows_what_its_budget_would_pay_for() -> None:
    registry = Registry()
    retry = Retry(name="pay", clock=FakeClock(), registry=registry)
    assert values_of(registry.collect())["retry", "pay", "budget", ""] == retry.budget.burst
