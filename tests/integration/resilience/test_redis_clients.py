"""Policies round the commands of redis-py, in threads and event loops, against a real Redis."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import redis

from perfloop.exceptions import CircuitOpen
from perfloop.resilience import CircuitBreaker, ConstantBackoff, Policy, Retry
from perfloop.resilience.integrations.redis import AsyncPolicyRedis, PolicyRedis

if TYPE_CHECKING:
    from ...servers.redis import Redis

AWAY = "redis://127.0.0.1:1/0"


def threads(policy: Policy, url: str, *commands: tuple[Any, ...]) -> Any:
    with PolicyRedis.from_url(url, policy=policy) as client:
        return [client.execute_command(*command) for command in commands][-1]


def event_loop(policy: Policy, url: str, *commands: tuple[Any, ...]) -> Any:
    async def main() -> Any:
        async with AsyncPolicyRedis.from_url(url, policy=policy) as client:
            return [await client.execute_command(*command) for command in commands][-1]

    return asyncio.run(main())


@pytest.fixture(params=[threads, event_loop])
def run(request: pytest.FixtureRequest) -> Any:
    return request.param


def policy(breaker: CircuitBreaker) -> Policy:
    return Policy(Retry(3, idempotent=True, backoff=ConstantBackoff(0)), breaker)


def test_commands_are_calls_in_the_policy(run: Any, redis_server: Redis) -> None:
    breaker = CircuitBreaker(1)
    assert run(policy(breaker), redis_server.url, ("SET", "resilience", "1"), ("GET", "resilience")) == b"1"
    assert breaker.counts()["successful"] == 2


def test_an_error_that_is_an_answer_is_raised_and_is_no_failure(run: Any, redis_server: Redis) -> None:
    breaker = CircuitBreaker(1)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        run(policy(breaker), redis_server.url, ("SET", "resilience", "1"), ("LLEN", "resilience"))
    assert breaker.counts()["successful"] == 2


@pytest.mark.parametrize(
    ("command", "attempts"),
    [
        (("GET", "a"), 3),
        (("set", "a", "1", "EX", 5), 3),
        (("SET", "a", "1", "NX"), 1),
        (("INCR", "a"), 1),
        (("LPUSH", "a", "1"), 1),
    ],
)
def test_only_commands_that_may_be_done_twice_are_repeated(run: Any, command: tuple[Any, ...], attempts: int) -> None:
    breaker = CircuitBreaker(9)
    with pytest.raises(redis.ConnectionError):
        run(policy(breaker), AWAY, command)
    assert breaker.counts()["failed"] == attempts  # and so redis-py has not repeated any by itself


def test_a_server_that_is_away_opens_the_breaker(run: Any) -> None:
    guarded = policy(CircuitBreaker(3))
    with pytest.raises(redis.ConnectionError):
        run(guarded, AWAY, ("GET", "a"))
    with pytest.raises(CircuitOpen):
        run(guarded, AWAY, ("GET", "a"))


def test_a_client_of_its_own_connections(redis_server: Redis) -> None:
    pool = redis.ConnectionPool.from_url(redis_server.url)
    breaker = CircuitBreaker(1)
    client = PolicyRedis(connection_pool=pool, policy=policy(breaker))
    client.set("resilience", "2")
    assert client.get("resilience") == b"2"
    assert breaker.counts()["successful"] == 2
    pool.disconnect()


def test_a_client_that_is_closed_has_no_connection_left(redis_server: Redis) -> None:
    client = PolicyRedis.from_url(redis_server.url, policy=policy(CircuitBreaker(1)), client_name="closed")
    client.ping()
    client.close()
    with redis.Redis.from_url(redis_server.url) as other:
        assert "closed" not in [each["name"] for each in other.client_list()]
