"""A rate limit that all processes share, in Redis (extra `redis`)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...coordination.loop_thread import leave_to_parent
from ...exceptions import ConfigurationError, InvalidValue, MissingExtra
from ..settings import count
from .redis_scripts import SCRIPTS
from .store import Store

try:
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ImportError as error:
    raise MissingExtra(
        "A rate limit in Redis needs redis-py, which is not installed", hint="pip install 'perfloop[redis]'"
    ) from error

if TYPE_CHECKING:
    from .algorithm import Algorithm

__all__ = ["RedisStore"]


class RedisStore(Store):
    """States in a Redis, each for as long as it matters; a call is one script, and one round trip.

    The server's clock decides. A server that is restarted or fails over may have lost the last calls, or all of them.
    """

    failures = (*Store.failures, RedisError)

    def __init__(
        self, url: str, *, timeout: float = 0.05, prefix: str = "perfloop:rate", max_connections: int = 8
    ) -> None:
        """A store.

        Args:
            url: `redis://[[user]:password@]host[:port][/database]`, `rediss://` with TLS, `unix:///path`.
            timeout: seconds for an answer, connecting included; a call never waits longer for the store.
            prefix: how the keys begin.
            max_connections: of this process, for all limiters that have this store.

        Raises:
            ConfigurationError: no such URL.
            MissingExtra: redis-py is not installed.
        """
        super().__init__(timeout)
        if not isinstance(url, str):
            raise InvalidValue(
                "Expected a URL such as redis://localhost:6379/0, not a client", got=type(url).__name__, where="url"
            )
        self._url = url
        self._prefix = prefix
        self._places = count(max_connections, "max_connections")
        self._home: asyncio.AbstractEventLoop | None = None
        self._client: redis.asyncio.Redis = self._connect()
        self._scripts: dict[str, Any] = {}

    async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
        here = asyncio.get_running_loop()
        if self._home is not here:
            if self._home is not None:  # forked
                leave_to_parent(self._client)
                self._client = self._connect()
            self._home = here
            self._scripts = {name: self._client.register_script(script) for name, script in SCRIPTS.items()}
        place = f"{self._prefix}:{algorithm.signature}:{key}"
        arguments = (algorithm.gain, algorithm.cost, algorithm.burst, algorithm.set_back, algorithm.per)
        return int(await self._scripts[algorithm.name](keys=(place,), args=arguments))

    async def disconnect(self) -> None:
        if self._home is asyncio.get_running_loop():  # else they are the parent's
            await self._client.aclose()

    def _connect(self) -> redis.asyncio.Redis:
        try:
            pool = redis.asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=self._places,
                timeout=None,  # the whole call has one
                retry=Retry(NoBackoff(), 0),
            )
        except (ValueError, TypeError):  # its message may have the password
            raise ConfigurationError(
                "Expected the URL of a Redis server",
                where=urlsplit(self._url).scheme,
                hint="redis://[[user]:password@]host[:port][/database], rediss:// with TLS, unix:///path",
            ) from None
        return redis.asyncio.Redis(connection_pool=pool)
