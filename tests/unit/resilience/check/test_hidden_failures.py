from __future__ import annotations

from perfloop.resilience import CircuitBreaker, KeyedCircuitBreaker, Policy, Retry

from .rules import found

RULE = "hidden-failures"


def test_a_retry_inside_a_breaker_hides_failures() -> None:
    policy = Policy(CircuitBreaker(10, name="pay"), Retry(3, idempotent=True), order="as given")
    (finding,) = found(RULE, policy)
    assert finding.numbers == {"attempts": 3}
    assert "'pay'" in finding.what
    assert finding.where == policy.made_at


def test_so_does_one_inside_a_breaker_a_key() -> None:
    hosts = KeyedCircuitBreaker(10, key=lambda: "host")
    assert len(found(RULE, Policy(hosts, Retry(3, idempotent=True), order="as given"))) == 1


def test_so_does_one_in_a_policy_inside_it() -> None:
    inner = Policy(Retry(3, idempotent=True))
    assert len(found(RULE, Policy(CircuitBreaker(), inner))) == 1


def test_the_documented_order_and_a_retry_that_makes_one_attempt_do_not() -> None:
    assert found(RULE, Policy(CircuitBreaker(), Retry(3, idempotent=True))) == []
    assert found(RULE, Policy(CircuitBreaker(), Retry(3), order="as given")) == []
