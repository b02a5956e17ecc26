"""What a type checker says of policies: `make check` reads this file, and nothing runs it."""

from __future__ import annotations

from typing import assert_type

from perfloop import CircuitBreaker, Policy, Retry, Timeout
from perfloop.resilience import Finding, PolicyDescription

policy = Policy(Retry(3, idempotent=True), CircuitBreaker(), Timeout(1), name="payments")


@policy
def balance(account: str, *, currency: str = "EUR") -> int:
    return 42


@policy
async def abalance(account: str) -> int:
    return 42


def decorated() -> None:
    assert_type(balance("a", currency="USD"), int)
    balance(7)  # type: ignore[arg-type]


async def called() -> None:
    assert_type(policy.execute(len, "word"), int)
    policy.execute(len, 7)  # type: ignore[arg-type]
    assert_type(await abalance("a"), int)
    await abalance(7)  # type: ignore[arg-type]
    assert_type(await policy.aexecute(abalance, "a"), int)


def inspected() -> None:
    assert_type(policy.describe(), PolicyDescription)
    assert_type(policy.check(workers=4), list[Finding])
    assert_type(policy.without("retry"), Policy | None)
    Policy(7)  # type: ignore[arg-type]
    Policy(CircuitBreaker(), order="any")  # type: ignore[arg-type]
