from __future__ import annotations

import pytest

from perfloop.resilience import (
    Bulkhead,
    CircuitBreaker,
    ConstantBackoff,
    Deadline,
    ExponentialBackoff,
    Policy,
    Retry,
    Timeout,
)

from .rules import found

RULE = "timeouts-that-cannot-fit"


def test_attempts_waits_and_backoff_that_outlast_the_deadline() -> None:
    backoff = ExponentialBackoff(first=0.5, most=1)
    policy = Policy(
        Deadline(5), Retry(3, idempotent=True, backoff=backoff), Bulkhead(5, timeout=0.5), Timeout(2), name="pay"
    )
    (finding,) = found(RULE, policy)
    assert finding.numbers == {
        "deadline": 5,
        "attempts": 3,
        "attempt": 2,
        "waits": 0.5,
        "backoff": 1.5,
        "together": 9.0,
    }
    assert finding.what == (
        "policy 'pay' has a deadline of 5 s, but 3 attempts of 2 s, after up to 0.5 s in queues, with 1.5 s of "
        "back-off may take 9 s"
    )
    assert finding.fix == "a timeout of 0.667 s lets all 3 attempts have their time"
    assert finding.where == policy.made_at


def test_one_attempt_has_to_end_before_the_deadline_to_count() -> None:
    (finding,) = found(RULE, Policy(Deadline(0.5), CircuitBreaker(3), Timeout(1), name="pay"))
    assert finding.what == "policy 'pay' has a deadline of 0.5 s, but one attempt of 1 s may take 1 s"
    assert finding.fix.startswith("a timeout below 0.5 s ends it first")


def test_where_the_waits_alone_are_too_long_the_fix_is_another() -> None:
    retry = Retry(3, idempotent=True, backoff=ConstantBackoff(10, jittered=False))
    (finding,) = found(RULE, Policy(Deadline(5), retry, Timeout(2)))
    assert "fewer attempts" in finding.fix


def test_without_a_timeout_an_attempt_may_take_all_there_is() -> None:
    (finding,) = found(RULE, Policy(Deadline(5), Retry(3, idempotent=True)))
    assert "3 attempts without a timeout" in finding.what
    assert found(RULE, Policy(Deadline(5), Bulkhead(2))) == []


@pytest.mark.parametrize("inside", [[Timeout(3)], [Deadline(3)], [Retry(2, idempotent=True), Timeout(1.5)]])
def test_a_policy_that_outlasts_an_attempt_of_who_enters_it(inside: list) -> None:
    inner = Policy(*inside, name="inner")
    outer = Policy(Timeout(2), calls=[inner], name="outer")
    (finding,) = found(RULE, outer)
    assert finding.numbers["timeout"] == 2
    assert finding.numbers["longest"] >= 3
    assert finding.where == outer.made_at


def test_what_fits() -> None:
    inner = Policy(Deadline(1), Retry(3, idempotent=True, backoff=ConstantBackoff(0.1)), Timeout(0.2))
    outer = Policy(Deadline(5), Retry(2, idempotent=True, backoff=ConstantBackoff(0.5)), Timeout(2), calls=[inner])
    assert found(RULE, inner, outer) == []
    assert found(RULE, Policy(Timeout(2), calls=[Policy(Bulkhead(1))])) == []
