from __future__ import annotations

from perfloop.resilience import Bulkhead, CircuitBreaker, Deadline, Policy, ThreadPoolBulkhead, Timeout

from ..gates import Around
from .rules import found

RULE = "no-timeout"


def test_a_policy_that_nothing_ends() -> None:
    policy = Policy(CircuitBreaker(), Bulkhead(3), name="pay")
    (finding,) = found(RULE, policy)
    assert finding.where == policy.made_at
    assert "'pay'" in finding.what


def test_one_that_something_ends() -> None:
    inner = Policy(Bulkhead(3))
    fine = [
        Policy(Bulkhead(3), Timeout(1)),
        Policy(Bulkhead(3), Deadline(1)),
        Policy(ThreadPoolBulkhead(3, call_timeout=1)),
        Policy(CircuitBreaker(), Timeout(1), calls=[inner]),
        Policy(type("Fallback", (Around,), {"kind": "fallback"})()),
    ]
    assert found(RULE, *fine) == []
    assert len(found(RULE, *fine, Policy(CircuitBreaker(), calls=[inner]))) == 2


def test_threads_without_a_time_and_policies_that_call_each_other() -> None:
    assert len(found(RULE, Policy(ThreadPoolBulkhead(3)))) == 1
    first = Policy(CircuitBreaker(), name="first")
    second = Policy(CircuitBreaker(), name="second", calls=[first])
    first.calls = (second,)
    assert len(found(RULE, first)) == 2
