"""What a type checker says of the parts of a policy: `make check` reads this file, and nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from perfloop import CircuitBreaker, Deadline, MultiLevelCache, Policy, Retry, Timeout
from perfloop.resilience import (
    Collapse,
    Fallback,
    Hedge,
    KeyedCircuitBreaker,
    RetryBudget,
    deadline,
    from_header,
    remaining,
)
from perfloop.testing import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any


def price(article: int, *, currency: str = "EUR") -> float:
    return 1.0


async def aprice(article: int, *, currency: str = "EUR") -> float:
    return 1.0


CircuitBreaker(3, probes=2, recovery_time=5)
CircuitBreaker(3, probes="2")  # type: ignore[arg-type]
CircuitBreaker(3, prob=2)  # type: ignore[call-arg]
KeyedCircuitBreaker(3, key=lambda host: host, prob=2)  # type: ignore[call-arg]
budget = RetryBudget(0.1)
parts = (
    Retry(3, idempotent=lambda article: article > 0, budget=budget),
    Timeout(1),
    Deadline(2),
    Fallback(value=0.0),
    Fallback(cache={"EUR": 1.08}, key=lambda name: name),
    Fallback(cache=MultiLevelCache(float), key=lambda name: name),
    Collapse(lambda article, **_: article),
    Hedge(0.1, idempotent=True, budget=budget),
    Faults({"price": Fault(latency=0.1)}),
)
policy = Policy(*parts[:3])

assert_type(policy.execute(price, 1, currency="USD"), float)
decorated: Callable[[int], float] = policy(price)
adecorated: Callable[[int], Coroutine[Any, Any, float]] = policy(aprice)


async def use() -> None:
    assert_type(await policy.aexecute(aprice, 1, currency="USD"), float)
    assert_type(await parts[7].aexecute(aprice, 1), float)
    policy.execute(price, "one")  # type: ignore[arg-type]
    await policy.aexecute(price, 1)  # type: ignore[arg-type]
    with deadline(from_header("100")):
        assert_type(remaining(), float | None)


@Retry(3, idempotent=True)
def stock(article: int) -> int:
    return article


@Timeout(1)
async def astock(article: int) -> int:
    return article


assert_type(stock(1), int)
stock("one")  # type: ignore[arg-type]


async def use_decorated() -> None:
    assert_type(await astock(1), int)
    await astock("one")  # type: ignore[arg-type]
