"""What a type checker says of circuit breakers: `make check` reads this file, and nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from perfloop import CircuitBreaker, MultiLevelCache
from perfloop.resilience import CountWindow, KeyedCircuitBreaker, LevelBreaker, RedisSharedState, TimeWindow

if TYPE_CHECKING:
    import redis


def price(article: str, *, pieces: int = 1) -> float:
    return 1.0


async def aprice(article: str) -> float:
    return 1.0


breaker = CircuitBreaker(5, 30)
assert_type(breaker.execute(price, "chair", pieces=2), float)
assert_type(breaker(price)("chair", pieces=2), float)
breaker(price)(7)  # type: ignore[arg-type]
breaker.execute(price, pieces="2")  # type: ignore[call-arg, arg-type]

CircuitBreaker(window=CountWindow(100), slow_call_duration=0.5)
CircuitBreaker(window=TimeWindow(60, failure_rate=0.1))
CircuitBreaker(window=100)  # type: ignore[arg-type]


async def calls() -> None:
    assert_type(await breaker.aexecute(aprice, "chair"), float)
    assert_type(await breaker(aprice)("chair"), float)


hosts = KeyedCircuitBreaker(key=lambda article: article)
assert_type(hosts(price)("chair"), float)
assert_type(hosts.execute(price, "chair"), float)


def shared(client: redis.Redis) -> None:
    CircuitBreaker(name="prices", shared_state=RedisSharedState(lambda: client))


MultiLevelCache(float, breaker=lambda level: LevelBreaker(CircuitBreaker(3, 1.0, name=level.name)))
