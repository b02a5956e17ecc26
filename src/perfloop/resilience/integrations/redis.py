"""Clients of redis-py whose commands are calls in a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...exceptions import MissingExtra
from .answers import AnsweredCalls

try:
    import redis
    import redis.asyncio
    from redis.asyncio.retry import Retry as AsyncRetry
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    raise MissingExtra(
        "Expected redis-py to be installed", where=__name__, hint="pip install 'perfloop[redis]'"
    ) from error

if TYPE_CHECKING:
    from ..policy import Policy

__all__ = ["AsyncPolicyRedis", "PolicyRedis"]

REPEATABLE: Final = {
    *("DEL", "EXISTS", "EXPIRE", "GET", "GETRANGE", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "HSCAN"),
    *("HSET", "HVALS", "LINDEX", "LLEN", "LRANGE", "MGET", "MSET", "PEXPIRE", "PING", "PTTL", "SADD", "SCAN", "SCARD"),
    *("SET", "SISMEMBER", "SMEMBERS", "SMISMEMBER", "SREM", "SSCAN", "STRLEN", "TTL", "TYPE", "UNLINK", "XLEN"),
    *("XRANGE", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANK", "ZSCAN", "ZSCORE"),
}
"""Commands that leave the same behind, done once or twice; SET without a condition."""
_CONDITIONS: Final = {"NX", "XX", "GET"}


class PolicyRedis(redis.Redis):
    """`PolicyRedis.from_url(url, policy=policy)`: each command is a call in the policy.

    Failures are errors of the connection, timeouts, and a server that is loading, read-only or out of memory; other
    errors are answers (WRONGTYPE). Only commands that may be done twice are repeated. redis-py's own retries are off:
    they would multiply with the policy's. Pipelines do not pass the policy by themselves:
    `policy.execute(pipeline.execute)`.
    """

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        """A client. Other arguments as in `redis.Redis`.

        Raises:
            InvalidValue: no policy, or one with a retry that would never repeat anything.
        """
        self._calls = AnsweredCalls(policy, _is_failure)
        super().__init__(*args, **({"retry": Retry(NoBackoff(), 0)} | kwargs))

    @classmethod
    def from_url(cls, url: str, *, policy: Policy, **kwargs: Any) -> PolicyRedis:  # type: ignore[override]
        """A client of the server that a URL names."""
        pool = redis.ConnectionPool.from_url(url, **({"retry": Retry(NoBackoff(), 0)} | kwargs))
        client = cls(policy=policy, connection_pool=pool)
        client.auto_close_connection_pool = True
        return client

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """The answer to a command."""
        send: Any = super().execute_command
        return self._calls.execute(lambda: send(*args, **options), repeat=_may_repeat(args))


class AsyncPolicyRedis(redis.asyncio.Redis):
    """`PolicyRedis` for an event loop."""

    def __init__(self, *args: Any, policy: Policy, **kwargs: Any) -> None:
        """As `PolicyRedis`."""
        self._calls = AnsweredCalls(policy, _is_failure)
        super().__init__(*args, **({"retry": AsyncRetry(NoBackoff(), 0)} | kwargs))

    @classmethod
    def from_url(cls, url: str, *, policy: Policy, **kwargs: Any) -> AsyncPolicyRedis:  # type: ignore[override]
        """A client of the server that a URL names."""
        pool = redis.asyncio.ConnectionPool.from_url(url, **({"retry": AsyncRetry(NoBackoff(), 0)} | kwargs))
        client = cls(policy=policy, connection_pool=pool)
        client.auto_close_connection_pool = True
        return client

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The answer to a command."""
        send: Any = super().execute_command
        return await self._calls.aexecute(lambda: send(*args, **options), repeat=_may_repeat(args))


def _may_repeat(args: tuple[Any, ...]) -> bool:
    name = str(args[0]).upper()
    conditional = name == "SET" and not _CONDITIONS.isdisjoint(str(each).upper() for each in args[3:])
    return name in REPEATABLE and not conditional


def _is_failure(error: Exception) -> bool:
    if isinstance(error, redis.ResponseError):
        return isinstance(error, (redis.ReadOnlyError, redis.OutOfMemoryError))
    return isinstance(error, (redis.RedisError, OSError))
