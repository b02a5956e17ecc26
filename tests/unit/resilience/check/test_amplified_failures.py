from __future__ import annotations

import pytest

from perfloop.resilience import CircuitBreaker, CountWindow, KeyedCircuitBreaker, Policy, Retry

from .rules import found

RULE = "amplified-failures"


@pytest.mark.parametrize(
    ("breaker", "failures"), [({"max_failures": 3}, 3), ({"window": CountWindow(size=10, minimum_calls=4)}, 4)]
)
def test_one_call_that_fails_opens_the_breaker_for_all(breaker: dict, failures: int) -> None:
    policy = Policy(CircuitBreaker(**breaker, name="pay"), Retry(4, idempotent=True))
    (finding,) = found(RULE, policy)
    assert finding.numbers == {"attempts": 4, "failures": failures}
    assert finding.where == policy.made_at


def test_so_it_does_of_a_key() -> None:
    hosts = KeyedCircuitBreaker(2, key=lambda: "host")
    assert found(RULE, Policy(hosts, Retry(3, idempotent=True)))[0].numbers["failures"] == 2


def test_a_breaker_that_takes_more_does_not_open() -> None:
    assert found(RULE, Policy(CircuitBreaker(4), Retry(3, idempotent=True))) == []
    assert found(RULE, Policy(CircuitBreaker(3), Retry(3, idempotent=True), order="as given")) == []
    assert found(RULE, Policy(CircuitBreaker(1))) == []


def test_without_a_retry_one_failure_is_one() -> None:
    assert found(RULE, Policy(CircuitBreaker(1), Retry(3))) == []
