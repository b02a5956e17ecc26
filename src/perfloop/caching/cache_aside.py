"""Cache-aside: read through the cache, write to the source, and never leave the old value behind."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .multilevel import HOLD_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from .multilevel import MultiLevelCache
    from .options import EntryOptions

__all__ = ["CacheAside"]

K = TypeVar("K")
V = TypeVar("V")


class CacheAside(Generic[K, V]):
    """Reads by one function and writes inside `writing`, over a cache.

    What the pattern's usual form gets wrong: the old value that a reader loaded before the write and puts in after the
    deletion stays until it expires, and so it does when the process dies between the write and the deletion. Here the
    key is held from before the write until after it.
    """

    def __init__(
        self,
        cache: MultiLevelCache[K, V],
        load: Callable[[K], V | Awaitable[V]],
        *,
        options: EntryOptions | None = None,
    ) -> None:
        """Over a cache.

        Args:
            load: reads the value of a key from its source; a coroutine function for `aget`.
            options: the policies of the entries, the cache's own by default.
        """
        self.cache = cache
        self._load = load
        self._options = options

    def get(self, key: K) -> V:
        """The value, read from its source by one caller for all if nobody has it."""
        load: Any = self._load
        value: V = self.cache.get_or_load(key, lambda: load(key), self._options)
        return value

    async def aget(self, key: K) -> V:
        """As `get`."""
        return await self.cache.aget_or_load(key, lambda: self._load(key), self._options)

    @contextlib.contextmanager
    def writing(self, *keys: K, tags: Iterable[str] = (), seconds: float = HOLD_SECONDS) -> Iterator[None]:
        """While you write the values to their source, up to and with the commit: nobody keeps what he reads meanwhile,
        and afterwards nobody has an old value. `tags` and `seconds` as of `MultiLevelCache.writing`."""
        with self.cache.writing(*keys, tags=tags, seconds=seconds):
            yield

    @contextlib.asynccontextmanager
    async def awriting(self, *keys: K, tags: Iterable[str] = (), seconds: float = HOLD_SECONDS) -> AsyncIterator[None]:
        """As `writing`."""
        async with self.cache.awriting(*keys, tags=tags, seconds=seconds):
            yield
