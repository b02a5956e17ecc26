"""A cache backend for Django: `BACKEND: "perfloop.caching.adapters.django.PerfloopCache"`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from ...exceptions import ConfigurationError, MissingExtra
from ..multilevel import MultiLevelCache
from ..options import EntryOptions

try:
    from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
except ImportError as error:
    raise MissingExtra("Expected Django to be installed", hint="pip install django") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ..levels import Level

__all__ = ["PerfloopCache"]

_FOR_EVER = 10 * 365 * 86400.0
_ABSENT = object()
_caches: dict[tuple[str, str, int], MultiLevelCache[str, Any]] = {}
_lock = threading.Lock()


class PerfloopCache(BaseCache):  # type: ignore[misc]  # Django has no types
    """Django's cache in this process over shared levels, without pickle.

    `LOCATION` names the levels, separated by `;`, from the fastest to the slowest: `redis://…`, `postgresql://…`,
    `sqlite:///path`; empty: this process alone. Values are what MessagePack knows (texts, numbers, bytes, lists,
    dictionaries); what would come back as something else is refused. Django's `MAX_ENTRIES` bounds what this process
    keeps; a missing value is loaded by one caller for all in `get_or_set`; `add` succeeds once in all processes.
    """

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        name = self.key_prefix or "default"
        identity = (location, name, self._max_entries)
        with _lock:  # Django makes one backend a thread
            if identity not in _caches:
                levels = [_level(each.strip(), name) for each in location.split(";") if each.strip()]
                _caches[identity] = MultiLevelCache(
                    Any,
                    levels=levels,
                    max_entries=self._max_entries,
                    name=f"django {name}",
                )
            self.cache = _caches[identity]

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """The value, or `default`."""
        return self.cache.get(self._key(key, version), default)

    async def aget(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """As `get`."""
        return await self.cache.aget(self._key(key, version), default)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Put in; a timeout of 0 or less removes."""
        options = self._options(timeout)
        if options is None:
            self.cache.delete(self._key(key, version))
        else:
            self.cache.set(self._key(key, version), value, options)

    async def aset(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """As `set`."""
        options = self._options(timeout)
        if options is None:
            await self.cache.adelete(self._key(key, version))
        else:
            await self.cache.aset(self._key(key, version), value, options)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Put in what is not there; whether it was not."""
        options = self._options(timeout)
        if options is None:
            return not self.has_key(key, version)
        added = False

        def make() -> Any:
            nonlocal added
            added = True
            return value

        self.cache.get_or_load(self._key(key, version), make, options)
        return added

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Give it another timeout; whether it was there."""
        options, name = self._options(timeout), self._key(key, version)
        if options is None:
            return self.delete(key, version)

        def again() -> Any:
            value = self.cache.get(name, _ABSENT)
            if value is _ABSENT:
                raise KeyError(name)
            return value

        try:
            self.cache._reload(name, again, options)  # not set: that would undo a deletion after the look
        except KeyError:
            return False
        return True

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Remove; whether it was there."""
        there = self.has_key(key, version)
        self.cache.delete(self._key(key, version))
        return there

    async def adelete(self, key: Any, version: int | None = None) -> bool:
        """As `delete`."""
        there = await self.aget(key, _ABSENT, version) is not _ABSENT
        await self.cache.adelete(self._key(key, version))
        return there

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        """The values there are."""
        names = {self._key(key, version): key for key in keys}
        return {names[name]: value for name, value in self.cache.get_many(names).items()}

    def set_many(
        self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> list[Any]:
        """Put in; nothing fails by itself, so the list is empty."""
        options = self._options(timeout)
        names = {self._key(key, version): value for key, value in data.items()}
        if options is None:
            self.cache.delete(*names)
        else:
            self.cache.set_many(names, options)
        return []

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        """Remove."""
        self.cache.delete(*(self._key(key, version) for key in keys))

    def get_or_set(self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        """The value; made by one caller for all if it is not there. `default` is called if it can be."""
        options = self._options(timeout)
        make: Callable[[], Any] = default if callable(default) else lambda: default
        if options is None:
            value = self.get(key, _ABSENT, version)
            return make() if value is _ABSENT else value
        return self.cache.get_or_load(self._key(key, version), make, options)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """Whether it is there."""
        return self.get(key, _ABSENT, version) is not _ABSENT

    def clear(self) -> None:
        """Remove everything under this KEY_PREFIX, of all versions."""
        self.cache.clear()

    def _key(self, key: Any, version: int | None) -> str:
        name: str = self.make_and_validate_key(key, version=version)
        return name

    def _options(self, timeout: Any) -> EntryOptions | None:
        """The options of a timeout; None: gone at once."""
        if timeout is DEFAULT_TIMEOUT:
            timeout = self.default_timeout
        if timeout is None:
            timeout = _FOR_EVER
        return EntryOptions(ttl=float(timeout), jitter=0) if timeout > 0 else None


def _level(url: str, namespace: str) -> Level:
    """The level of a URL.

    Raises:
        ConfigurationError: a URL of another kind.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("redis", "rediss", "unix"):
        from ..levels.redis import RedisLevel

        return RedisLevel(url, namespace=namespace)
    if scheme in ("postgresql", "postgres"):
        from ..levels.postgresql import PostgreSQLLevel

        return PostgreSQLLevel(url, namespace=namespace)
    if scheme == "sqlite":
        from ..levels.sqlite import SQLiteLevel

        return SQLiteLevel(rest, namespace=namespace)
    raise ConfigurationError(
        "Expected LOCATION to name levels: redis://…, postgresql://… or sqlite:///path, separated by ;", got=scheme
    )
