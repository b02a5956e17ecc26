"""A policy a host: as many as there is room for."""

from __future__ import annotations

import contextlib

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, Policy
from perfloop.resilience.integrations.http import HostPolicies
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


def test_hosts_that_are_down_for_good_do_not_fill_the_memory() -> None:
    clock, registry = FakeClock(), Registry()
    made: list[str] = []

    def make(host: str) -> Policy:
        made.append(host)
        return Policy(CircuitBreaker(1, 10.0, clock=clock, registry=registry), registry=registry)

    def ask(host: str) -> None:
        policy = policies.of(host, repeat=False)
        assert policy is not None
        with contextlib.suppress(ZeroDivisionError, CircuitOpen):
            policy.execute(lambda: 1 / 0)

    policies = HostPolicies(make, max_hosts=3)
    for host in "abcdef":
        ask(host)
    assert policies.of("a", repeat=True) is not None
    assert made == list("abcdef")  # none is forgotten whose breaker has to be open
    clock.advance(10)
    ask("g")
    for host in "afg":
        ask(host)
    assert made == list("abcdefg")
    ask("b")
    assert made == list("abcdefgb")
