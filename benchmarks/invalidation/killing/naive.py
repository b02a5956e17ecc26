"""The cache as it is usually written: a dict, Redis below it, both deleted after the commit, others told by publish."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

__all__ = ["NaiveCache"]

_TTL = 3600


class NaiveCache:
    """No leases, no holds, no fences; what it keeps is (key, version)."""

    def __init__(self, url: str, keys_of_tag: Callable[[str], list[int]]) -> None:
        self._redis: Any = redis.Redis.from_url(url)
        self._keys_of_tag = keys_of_tag
        self._local: dict[int, tuple[int, int]] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def get(self, key: int) -> tuple[int, int] | None:
        """See `MultiLevelCache`, here and below."""
        value = self._local.get(key)
        if value is None:
            with contextlib.suppress(redis.RedisError):
                text = self._redis.get(f"v{key}")
                if text is not None:
                    value = self._local[key] = (key, int(text))
        return value

    def get_or_load(self, key: int, loader: Callable[[], tuple[int, int]]) -> tuple[int, int]:
        value = self.get(key)
        if value is None:
            value = loader()
            with contextlib.suppress(redis.RedisError):
                self._redis.set(f"v{key}", value[1], ex=_TTL)
            self._local[key] = value
        return value

    def get_or_load_many(self, keys: Iterable[int], loader: Callable[[list[int]], Any]) -> dict[int, Any]:
        return {key: self.get_or_load(key, partial(_only, loader, key)) for key in keys}

    async def aget(self, key: int) -> tuple[int, int] | None:
        return await asyncio.to_thread(self.get, key)

    async def aget_or_load(self, key: int, loader: Callable[[], Any]) -> tuple[int, int]:
        value = await self.aget(key)
        if value is None:
            value = await loader()
            await asyncio.to_thread(self.get_or_load, key, lambda: value)
        return value

    async def aget_or_load_many(self, keys: Iterable[int], loader: Callable[[list[int]], Any]) -> dict[int, Any]:
        async def load(key: int) -> Any:
            return (await loader([key]))[key]

        return {key: await self.aget_or_load(key, partial(load, key)) for key in keys}

    def delete(self, *keys: int) -> None:
        for key in keys:
            self._local.pop(key, None)
            with contextlib.suppress(redis.RedisError):
                self._redis.delete(f"v{key}")
                self._redis.publish("changed", str(key))

    async def adelete(self, *keys: int) -> None:
        await asyncio.to_thread(self.delete, *keys)

    @contextlib.contextmanager
    def writing(self, *keys: int, tags: Iterable[str] = (), seconds: float = 0) -> Iterator[None]:
        yield
        self.delete(*keys, *(key for tag in tags for key in self._keys_of_tag(tag)))

    @contextlib.asynccontextmanager
    async def awriting(self, *keys: int, tags: Iterable[str] = (), seconds: float = 0) -> AsyncIterator[None]:
        yield
        await self.adelete(*keys, *(key for tag in tags for key in self._keys_of_tag(tag)))

    def _listen(self) -> None:
        while True:
            try:
                subscription = self._redis.pubsub()
                subscription.subscribe("changed")
                for message in subscription.listen():
                    if message["type"] == "message":
                        self._local.pop(int(message["data"]), None)
            except redis.RedisError:
                time.sleep(0.1)


def _only(loader: Callable[[list[int]], Any], key: int) -> Any:
    return loader([key])[key]
