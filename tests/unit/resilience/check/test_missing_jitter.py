from __future__ import annotations

from perfloop.resilience import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff, Policy, Retry

from .rules import found

RULE = "missing-jitter"


def retry(backoff: object, attempts: int = 3) -> Retry:
    return Retry(attempts, idempotent=True, backoff=backoff)


def test_a_backoff_without_jitter() -> None:
    alone, inside = retry(ExponentialBackoff(jittered=False)), retry(ConstantBackoff(1, jittered=False), 5)
    findings = found(RULE, alone, Policy(inside))
    assert [(finding.where, finding.numbers["attempts"]) for finding in findings] == [
        (alone.made_at, 3),
        (inside.made_at, 5),
    ]


def test_jitter_and_retries_that_never_repeat() -> None:
    without = ExponentialBackoff(jittered=False)
    fine = [retry(DecorrelatedBackoff()), Retry(idempotent=True), retry(without, 1), Retry(3, backoff=without)]
    assert found(RULE, *fine) == []
