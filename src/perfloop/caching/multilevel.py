"""The cache people use: one object for threads and event loops."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import random
import secrets
import sys
import weakref
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ..clock import MONOTONIC, Clock
from ..exceptions import ConfigurationError, InvalidValue, LevelFailed
from ..telemetry import DEFAULT_REGISTRY, Registry
from .core import Core
from .effects import Program, run, run_async
from .encoding import ValueCodec
from .hits import hit_or, hit_or_await
from .insight import CacheStatistics, Insight
from .keys import KeyCodec, checked_tags, distinct
from .kinds import cannot_change
from .limits import LoadLimit
from .local import LocalLevel
from .options import EntryOptions
from .recovery import Recovery
from .reports import LoggedReport
from .search import BatchLoader, SingleLoader
from .shared import Breaker, SharedLevel, SimpleBreaker
from .stores import STORES, GhostEstimate, Ghosts, make_store
from .telling import Telling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
    from types import UnionType
    from typing import Unpack

    from .arguments import How
    from .backplane import Backplane, Invalidation
    from .levels import Level

__all__ = ["MultiLevelCache"]

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")
HOLD_SECONDS = 30.0


class MultiLevelCache(Generic[K, V]):
    """A bounded cache in this process over any number of levels that several processes share.

    One object serves threads and event loops; for these every method has a twin, named with an `a` in front.
    Invalidation is not lost: not while a value is loaded or refreshed, not between levels, and not when a process dies
    while it changes what the values are loaded from, if it does so inside `writing`.
    """

    @overload
    def __init__(
        self: MultiLevelCache[str, V], value: type[V], *, key: type[str] = str, **how: Unpack[How]
    ) -> None: ...
    @overload
    def __init__(self, value: type[V], *, key: type[K], **how: Unpack[How]) -> None: ...
    @overload  # a union: the type is that of what it is assigned to
    def __init__(self, value: UnionType, *, key: Any = str, **how: Unpack[How]) -> None: ...
    def __init__(
        self,
        value: Any,
        *,
        key: Any = str,
        levels: Sequence[Level] = (),
        max_entries: int | None = 10_000,
        max_weight: int | None = None,
        policy: str = "tinylfu",
        ghosts: bool = False,
        tell_keys: bool = False,
        options: EntryOptions | None = None,
        name: str = "cache",
        version: str = "",
        breaker: Callable[[Level], Breaker] | None = None,
        backplane: Backplane | None = None,
        max_loads: int = 100,
        lease_seconds: float = 30.0,
        registry: Registry | None = None,
        clock: Clock = MONOTONIC,
    ) -> None:
        """A cache.

        Args:
            value: the values' type, anything msgspec knows, and models of pydantic. Values that cannot change are given
                to all readers; of others each reader gets a copy of his own.
            key: the keys' type: str, a number, bytes, UUID, an enum, a moment, a tuple or frozen struct of these.
            levels: from the fastest to the slowest. Caches that share a level share its keys, and `clear` empties it
                for all: give each kind of value a namespace of its own.
            max_entries: how many entries this process keeps.
            max_weight: how many bytes its entries may have together, as they are encoded; not bounded unless given.
            policy: what has to go when it is full: `tinylfu`, `lru` or `lfu`.
            ghosts: watch what other sizes and policies would find, for `ghost_estimates`; some 100 ns a look-up.
            tell_keys: show who watches the service which keys cost most; by default what they look like, and no more.
            options: the policies of an entry that gives none of its own; a TTL of a minute by default.
            name: in messages and telemetry.
            version: change it when values mean something else although their type is the same.
            breaker: makes what keeps callers from a level that is out of order.
            backplane: the way to the other processes, of this cache alone. Without one what they change is seen here
                only when an entry ends: set `local_ttl` to what you can bear. While it does not hear, this process
                keeps nothing.
            max_loads: how many loaders run at one time in this process; the others wait.
            lease_seconds: for how long other processes wait for the one that loads, whether it is slow or has died.
            registry: where hits, misses and loads are counted for exporters; the default one unless given.

        Raises:
            InvalidValue: no bound, or one below 1; an unknown policy; no time for a lease; a type that msgspec does not
                know, or that is none for keys.
            ConfigurationError: `levels` is no sequence of levels; the backplane is another cache's.
        """
        _check(levels)
        if not 0 < lease_seconds < math.inf:
            raise InvalidValue("Expected lease_seconds above 0", got=lease_seconds)
        self.name = name
        self._options = options or EntryOptions()
        self._clock = clock
        self._now = clock.now
        self._shareable = cannot_change(value)
        # Values that are kept as they are, and sent nowhere, are encoded only to be weighed.
        weighed_only = self._shareable and not levels
        self._values = ValueCodec(value, version=version, compress_above=sys.maxsize if weighed_only else 2048)
        store = self._store = make_store(policy, max_entries=max_entries, max_weight=max_weight)
        self._weighs = max_weight is not None or bool(levels) or not self._shareable
        self._local = LocalLevel(store, clock=clock)
        self._ghosts = Ghosts(policy, store, STORES) if ghosts else None
        self._find = store.get if self._ghosts is None else self._ghosts.watching(store.get)
        self._report = LoggedReport(name, clock=clock)
        self._backplane = backplane
        self._listening = backplane is None
        make = breaker or (lambda _: SimpleBreaker(clock))
        self._core = Core(
            self._local,
            [SharedLevel(level, make(level), report=self._report.level_failed, clock=clock) for level in levels],
            keys=KeyCodec(key),
            values=self._values,
            options=self._options,
            clock=clock,
            draw=random.random,
            token=_token,
            report=self._report,
            publish=self._publish,
            copies=not self._shareable,
            weighs=max_weight is not None,
            limit=LoadLimit(max_loads),
            lease_seconds=lease_seconds,
            insight=Insight(name, [level.name for level in levels], registry or DEFAULT_REGISTRY, self._local),
        )
        self._telling = Telling(
            name,
            policy=policy,
            store=store,
            weighs=self._weighs,
            ghosts=self._ghosts,
            levels=self._core.levels,
            insight=self._core.insight,
            key=key,
            tell_keys=tell_keys,
            registry=registry or DEFAULT_REGISTRY,
        )
        self._recovery = Recovery(name, self._core.recover, lambda: self._core.is_behind)
        self._core.when_behind(self._recovery.wake)
        self._given = self._core.given
        if backplane is not None:
            self._local.listen(heard=False)
            _take(backplane, self)
        _caches.add(self)

    @hit_or
    def get(self, key: K, default: V | None = None) -> V | None:
        """The value if there is a fresh one at any level, else `default`."""
        return self._run(self._core.get([key], self._options)).get(key, default)

    @hit_or_await
    async def aget(self, key: K, default: V | None = None) -> V | None:
        """As `get`."""
        return (await self._run_async(self._core.get([key], self._options))).get(key, default)

    def get_stale(self, key: K, default: V | None = None) -> V | None:
        """The value even if it is stale, while it is kept: after its TTL for the longer one of `stale_on_error` and
        `stale_while_revalidate`. Else `default`; nothing is loaded."""
        return self._run(self._core.get([key], self._options, stale=True)).get(key, default)

    async def aget_stale(self, key: K, default: V | None = None) -> V | None:
        """As `get_stale`."""
        return (await self._run_async(self._core.get([key], self._options, stale=True))).get(key, default)

    def get_many(self, keys: Iterable[K]) -> dict[K, V]:
        """The fresh values there are at any level."""
        return self._run(self._core.get(list(keys), self._options))

    async def aget_many(self, keys: Iterable[K]) -> dict[K, V]:
        """As `get_many`."""
        return await self._run_async(self._core.get(list(keys), self._options))

    @hit_or
    def get_or_load(self, key: K, loader: Callable[[], V], options: EntryOptions | None = None) -> V:
        """The value; loaded, by one caller for all, if nobody has a fresh one.

        Args:
            loader: is called without arguments. What it returns is kept, None too; what it raises is not.

        Raises:
            LoadTimedOut: after the hard timeout.
            ReentrantLoad: the loader asks for the same key.
        """
        return cast("V", self._run(self._core.get_or_load([key], SingleLoader(loader), options or self._options))[key])

    @hit_or_await
    async def aget_or_load(
        self, key: K, loader: Callable[[], V | Awaitable[V]], options: EntryOptions | None = None
    ) -> V:
        """As `get_or_load`. A plain function is called in a thread."""
        program = self._core.get_or_load([key], SingleLoader(loader), options or self._options)
        return cast("V", (await self._run_async(program))[key])

    def get_or_load_many(
        self, keys: Iterable[K], loader: Callable[[list[K]], Mapping[K, V]], options: EntryOptions | None = None
    ) -> dict[K, V]:
        """The values of all keys. The loader is called once, with all keys that nobody has and nobody else loads; a key
        that is not in what it returns is None."""
        return self._run(self._core.get_or_load(list(keys), BatchLoader(loader), options or self._options))

    async def aget_or_load_many(
        self,
        keys: Iterable[K],
        loader: Callable[[list[K]], Mapping[K, V] | Awaitable[Mapping[K, V]]],
        options: EntryOptions | None = None,
    ) -> dict[K, V]:
        """As `get_or_load_many`."""
        return await self._run_async(self._core.get_or_load(list(keys), BatchLoader(loader), options or self._options))

    def _reload(self, key: K, loader: Callable[[], V], options: EntryOptions | None = None) -> None:
        """Load anew although there may be a fresh value, which stays if the loader raises. A deletion meanwhile is not
        undone; nothing is done where somebody else loads the key just now."""
        self._run(self._core.reload(key, SingleLoader(loader), options or self._options))

    def set(self, key: K, value: V, options: EntryOptions | None = None) -> None:
        """Put a value in, at every level."""
        distinct([key])
        self._run(self._core.set({key: value}, options or self._options))

    async def aset(self, key: K, value: V, options: EntryOptions | None = None) -> None:
        """As `set`."""
        distinct([key])
        await self._shielded(self._core.set({key: value}, options or self._options))

    def set_many(self, values: Mapping[K, V], options: EntryOptions | None = None) -> None:
        """Put values in, at every level."""
        self._run(self._core.set(values, options or self._options))

    async def aset_many(self, values: Mapping[K, V], options: EntryOptions | None = None) -> None:
        """As `set_many`."""
        await self._shielded(self._core.set(values, options or self._options))

    def delete(self, *keys: K) -> None:
        """Remove, at every level. Whoever looks these keys up meanwhile does not put the old values back."""
        self._run(self._core.delete(keys))

    async def adelete(self, *keys: K) -> None:
        """As `delete`. Goes on when the caller is cancelled."""
        await self._shielded(self._core.delete(keys))

    def expire(self, *keys: K) -> None:
        """Make stale at every level: loaded anew when next asked for, given still if that fails."""
        self._run(self._core.expire(keys))

    async def aexpire(self, *keys: K) -> None:
        """As `expire`."""
        await self._shielded(self._core.expire(keys))

    def remove_tags(self, *tags: str) -> None:
        """Remove all that has one of the tags, at every level."""
        self._run(self._core.remove_tags(tags))

    async def aremove_tags(self, *tags: str) -> None:
        """As `remove_tags`."""
        await self._shielded(self._core.remove_tags(tags))

    def clear(self) -> None:
        """Remove everything, at every level."""
        self._run(self._core.clear())

    async def aclear(self) -> None:
        """As `clear`."""
        await self._shielded(self._core.clear())

    @contextlib.contextmanager
    def writing(self, *keys: K, tags: Iterable[str] = (), seconds: float = HOLD_SECONDS) -> Iterator[None]:
        """While you change what these keys, or all with these tags, are loaded from.

        They are removed before and after, and nothing is kept for them in between: a reader gets what he loads. If this
        process dies inside, that lasts `seconds` and ends by itself; so the change should not take longer.

        Raises:
            InvalidValue: no time to hold for.
        """
        names, token, seconds = checked_tags(tags), _token(), _checked_hold(seconds)
        try:
            self._run(self._core.hold(keys, names, token, seconds))
            yield
        finally:
            self._run(self._core.release(keys, names, token))

    @contextlib.asynccontextmanager
    async def awriting(self, *keys: K, tags: Iterable[str] = (), seconds: float = HOLD_SECONDS) -> AsyncIterator[None]:
        """As `writing`."""
        names, token, seconds = checked_tags(tags), _token(), _checked_hold(seconds)
        holding = self._begin(self._core.hold(keys, names, token, seconds))
        try:
            await asyncio.shield(holding)
            yield
        finally:
            release = self._core.release(keys, names, token)
            if holding.done():
                await self._shielded(release)
            else:  # we are cancelled, and a release that overtakes the hold would leave it
                await asyncio.shield(self._kept(asyncio.create_task(self._after(holding, release))))

    def describe_keys(self, template: str) -> None:
        """Say what keys look like, `user:{user_id}`, to be shown in their place; `@cached` does."""
        self._telling.templates.append(template)

    def close(self) -> None:
        """Leave the other processes. Levels are told what they missed, if two seconds suffice for it; they stay open:
        whoever made them closes them."""
        self._recovery.stop()
        if self._backplane is not None:
            self._backplane.close()
            _owners.pop(self._backplane, None)

    async def aclose(self) -> None:
        """As `close`."""
        await asyncio.to_thread(self.close)

    def _listen(self) -> None:
        if not self._listening and self._backplane is not None:
            self._listening = True
            local = self._local
            self._backplane.listen(
                self._core.heard, lambda: local.listen(heard=True), lambda: local.listen(heard=False)
            )

    def _begin_in_fork(self) -> None:
        """In a forked process nobody listens yet, and what the parent kept may be out of date."""
        self._core.begin_in_fork()
        self._recovery.begin_in_fork()
        if self._backplane is not None:
            self._listening = False
            self._local.listen(heard=False)

    def _publish(self, invalidation: Invalidation) -> Program[None]:
        if self._backplane is None:
            return
        self._listen()
        try:
            yield from self._backplane.publish(invalidation)
        except LevelFailed as error:  # the others will find that they have missed it
            self._report.level_failed(f"backplane {self._backplane.name}", error)
        else:
            self._report.level_failed(f"backplane {self._backplane.name}", None)

    def _run(self, program: Program[T]) -> T:
        self._listen()
        return run(program)

    async def _run_async(self, program: Program[T]) -> T:
        self._listen()
        return await run_async(program)

    async def _shielded(self, program: Program[T]) -> T:
        """Carry it out to its end, even if the caller is cancelled meanwhile."""
        return await asyncio.shield(self._begin(program))

    def _begin(self, program: Program[T]) -> asyncio.Future[T]:
        """Begin it at once, and have a task do the rest: cancelled before its first step, it forgets nothing."""
        self._listen()
        try:
            first = next(program)
        except StopIteration as end:
            done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            done.set_result(end.value)
            return done
        task = self._kept(asyncio.create_task(run_async(program, first)))
        task.add_done_callback(lambda _: program.close())
        return task

    async def _after(self, other: asyncio.Future[Any], program: Program[None]) -> None:
        await asyncio.wait([other])
        await self._begin(program)

    def _kept(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        self._core.tasks.add(task)
        task.add_done_callback(self._core.tasks.discard)
        return task

    def statistics(self) -> CacheStatistics:
        """What it has done since it was made, level by level, and whether each pays."""
        weight = self._store.weight if self._weighs else None
        return self._core.insight.statistics(entries=len(self._store), weight=weight)

    def ghost_estimates(self) -> list[GhostEstimate]:
        """The hit ratio this process' own level would have at ½, 1, 2 and 4 times its size and with other policies;
        empty unless made with `ghosts`."""
        return [] if self._ghosts is None else self._ghosts.estimates()

    def __len__(self) -> int:
        """How many entries this process has."""
        return len(self._local.store)


def _check(levels: Sequence[Level]) -> None:
    """Say at once what would fail at the first use, without a word of what it was."""
    listed = levels if isinstance(levels, (list, tuple)) else [levels]
    wrong = [each for each in listed if not hasattr(each, "lease")]
    if wrong or listed is not levels:
        raise ConfigurationError(
            f"Expected levels in a list, got a {type((wrong or listed)[0]).__name__}",
            hint="write  levels=[RedisLevel(url)]",
        )


def _take(backplane: Backplane, cache: MultiLevelCache[Any, Any]) -> None:
    """A backplane tells one listener: a second cache would leave the first without what others change."""
    owner = _owners.get(backplane, lambda: None)()
    if owner is not None:
        raise ConfigurationError(
            f"Expected a backplane of its own for cache {cache.name!r}: this one is that of cache {owner.name!r}",
            hint="make one for each cache, each with a namespace; they may share connections: transport=…",
        )
    _owners[backplane] = weakref.ref(cache)


_owners: weakref.WeakKeyDictionary[Backplane, weakref.ref[MultiLevelCache[Any, Any]]] = weakref.WeakKeyDictionary()


def _checked_hold(seconds: float) -> float:
    if not (isinstance(seconds, (int, float)) and 0 < seconds < math.inf):
        raise InvalidValue("Expected to hold for some seconds, a number above 0", got=seconds)
    return seconds


def _token() -> str:
    return secrets.token_hex(12)


_caches: weakref.WeakSet[MultiLevelCache[Any, Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_caches):
        cache._begin_in_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_after_fork)
