"""Caches as they are often written, each of which falls into some of the traps of `test_traps.py`."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["KeyedByFirstArgument", "NaiveCache", "NaiveFlights", "PickledLevel", "TagsByClock", "naive_cached"]


class NaiveCache:
    """A dictionary over what may be shared with others: no fences, no copies, no TTL of what came from below."""

    def __init__(self, shared: dict[str, Any] | None = None, peers: list[NaiveCache] | None = None) -> None:
        self.entries: dict[str, Any] = {}
        self.shared = {} if shared is None else shared
        self.tags: dict[str, set[str]] = {}
        self.peers = [] if peers is None else peers
        self.peers.append(self)
        self.just_set: set[str] = set()
        self.threads: list[threading.Thread] = []
        self.between: Callable[[], Awaitable[None]] | None = None
        """Happens between looking below and filling in."""

    def get(self, key: str) -> Any:
        if self.entries.get(key) is None and key in self.shared:
            self.entries[key] = self.shared[key]
        return self.entries.get(key)

    async def aget(self, key: str) -> Any:
        value = self.shared.get(key)
        if self.between is not None:
            await self.between()
        if value is not None:
            self.entries[key] = value
        return self.entries.get(key)

    def set(self, key: str, value: Any) -> None:
        self.entries[key] = self.shared[key] = value
        self.just_set.add(key)  # so as not to be told of one's own change
        self.publish(key)

    def get_or_load(self, key: str, loader: Callable[[], Any], tags: tuple[str, ...] = ()) -> Any:
        value = self.get(key)
        if value is None:
            self.entries[key] = self.shared[key] = value = loader()
            for tag in tags:
                self.tags.setdefault(tag, set()).add(key)
        return value

    def refresh(self, key: str, loader: Callable[[], Any]) -> None:
        """Load anew in the background."""

        def work() -> None:
            self.entries[key] = loader()

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def delete(self, key: str) -> None:
        self.entries.pop(key, None)
        self.shared.pop(key, None)
        self.publish(key)

    def remove_tags(self, tag: str) -> None:
        for key in self.tags.pop(tag, ()):
            self.delete(key)

    def clear(self) -> None:
        for key in [*self.entries, *self.shared]:
            self.delete(key)

    def publish(self, key: str) -> None:
        for peer in self.peers:
            if peer is not self:
                peer.hear(key)

    def hear(self, key: str) -> None:
        if key in self.just_set:  # taken for one's own
            self.just_set.discard(key)
            return
        for each in list(self.entries):  # entries may be of several keys
            if each == key:
                del self.entries[each]


class TagsByClock:
    """A tag is removed by noting when, by whoever's clock; a reader compares that with when an entry was made."""

    def __init__(self, shared: dict[str, Any], clock: Any) -> None:
        self.shared, self.clock = shared, clock

    def set(self, key: str, value: Any) -> None:
        self.shared[key] = value, self.clock.now()

    def remove_tags(self, tag: str) -> None:
        self.shared[f"tag {tag}"] = self.clock.now()

    def get(self, key: str) -> Any:
        value, made = self.shared[key]
        return value if made > self.shared.get("tag t", 0.0) else None


class NaiveFlights:
    """Loads of several tasks and processes brought together, in the ways that shipped libraries do it."""

    def __init__(self, locks: set[str] | None = None, *, level: Any = None) -> None:
        self.entries: dict[str, Any] = {}
        self.locks = set() if locks is None else locks
        self.level = level
        self.tasks: dict[str, asyncio.Task[Any]] = {}
        self.events: dict[str, asyncio.Event] = {}

    async def unless_locked(self, key: str, loader: Callable[[], Awaitable[Any]]) -> Any:
        """Whoever finds the lock taken goes on without it."""
        self.locks.add(key)
        return await loader()

    async def if_it_answers(self, key: str, loader: Callable[[], Awaitable[Any]]) -> Any:
        """Without the level there is no lock."""
        try:
            self.level.ping()
        except ConnectionError:
            return await loader()
        raise AssertionError("it is down")

    async def behind_an_event(self, key: str, loader: Callable[[], Awaitable[Any]]) -> Any:
        """The event is set by who succeeds."""
        event = self.events.get(key)
        if event is None:
            event = self.events[key] = asyncio.Event()
            self.entries[key] = await loader()
            event.set()
        await event.wait()
        return self.entries[key]

    async def by_a_task(self, key: str, loader: Callable[[], Awaitable[Any]]) -> Any:
        """All await the same task, which keeps what comes of it, whatever it is."""
        if key not in self.tasks:
            self.tasks[key] = asyncio.ensure_future(loader())
        return await self.tasks[key]


class PickledLevel:
    """What a level has is unpickled."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def get(self, key: str) -> Any:
        return pickle.loads(self.data)


def naive_cached(function: Callable[..., Any]) -> Callable[..., Any]:
    """The key is all arguments, as they are printed."""
    entries: dict[str, Any] = {}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        key = ":".join(map(str, [*args, *kwargs.values()]))
        if entries.get(key) is None:
            entries[key] = function(*args, **kwargs)
        return entries[key]

    return call


class KeyedByFirstArgument:
    """A decorator of methods that leaves out whose they are."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.entries = function, {}

    def __get__(self, instance: Any, owner: Any = None) -> Callable[..., Any]:
        return lambda key: self.entries.setdefault(key, self.function(instance, key))
