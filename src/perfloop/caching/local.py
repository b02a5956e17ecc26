"""The process' own level: entries, and fences that keep what was removed meanwhile out of it.

A look-up below begins a fence; whatever changes the key (or may change it: a tag, for its tags are not known yet) until
it ends leaves its mark on the fence, and then nothing is kept. Reading takes no lock; changing takes one for some
microseconds.
"""

from __future__ import annotations

from operator import attrgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..clock import MONOTONIC, Clock
from ..telemetry.forks import renew_lock_in_forks

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from .stores import Store

__all__ = ["Entry", "Fence", "LocalLevel"]

T = TypeVar("T")
_HITS = attrgetter("hits")
_MOST_REMOVED = 1000


class Entry(msgspec.Struct, eq=False):
    """A value in this process. Times are moments of the clock."""

    value: Any
    deadline: float
    """Until then it is given without a further look."""
    fresh_until: float
    kept_until: float
    tags: tuple[str, ...] = ()
    weight: int = 1
    hits: int = 0
    mark: int = 0
    rank: int = 0
    """The store's, as `mark` is."""


class Fence:
    """A look-up under way for one key, and what was changed since it began."""

    __slots__ = ("held", "held_tags", "key", "removed_tags", "void")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.void = False
        self.removed_tags: set[str] = set()
        self.held = False
        self.held_tags: frozenset[str] = frozenset()
        """What was held when it began: what it finds may be old, even if the hold has ended by itself meanwhile."""

    @property
    def touched(self) -> bool:
        """Whether what is looked up may be out of date: nobody who comes now may be given it."""
        return self.void or bool(self.removed_tags)

    def is_held(self, tags: Iterable[str]) -> bool:
        """Whether what has these tags was about to change when it began: whatever is found may be old, and is no
        more to be kept at a shared level than here, for that one may have missed the hold, or lost it."""
        return self.held or not self.held_tags.isdisjoint(tags)


class LocalLevel:
    """Entries of a store, with fences, tags and holds."""

    def __init__(self, store: Store[Entry], *, clock: Clock = MONOTONIC) -> None:
        self.store = store
        self._clock = clock
        self._fences: dict[Hashable, set[Fence]] = {}
        self._tagged: dict[str, set[Hashable]] = {}
        self._held: dict[Hashable, dict[str, float]] = {}
        self._held_tags: dict[str, dict[str, float]] = {}
        self._deaf = False
        self._hits_of_gone = 0
        self.unread = 0
        """Entries that went without having been given once."""
        # Reentrant: a finaliser may remove an entry while this thread is inside.
        self._lock = RLock()
        renew_lock_in_forks(self)

    @property
    def lock(self) -> RLock:
        """Taken for every change; a new one in a forked process."""
        return self._lock

    def begin(self, key: Hashable) -> Fence:
        """A look-up below begins."""
        fence = Fence(key)
        with self._lock:
            self._fences.setdefault(key, set()).add(fence)
            if self._held or self._held_tags:
                now = self._clock.now()
                fence.held = _lasts(self._held.get(key), now)
                fence.held_tags = frozenset(tag for tag, holds in self._held_tags.items() if _lasts(holds, now))
        return fence

    def end(self, fence: Fence) -> None:
        """It is over, with or without a value: nothing is kept for it any more."""
        with self._lock:
            fence.void = True
            fences = self._fences.get(fence.key)
            if fences is not None:
                fences.discard(fence)
                if not fences:
                    del self._fences[fence.key]

    def keep(self, fence: Fence, entry: Entry) -> bool:
        """Keep what was looked up; False if it was changed meanwhile."""
        key = fence.key
        with self._lock:
            out_of_date = fence.removed_tags | fence.held_tags
            if self._deaf or fence.void or fence.held or not out_of_date.isdisjoint(entry.tags):
                return False
            if self._is_held(key, entry):
                return False
            replaced = self.store.get(key)
            self._gone(key, replaced)
            for tag in entry.tags:
                self._tagged.setdefault(tag, set()).add(key)
            kept = True
            for gone, evicted in self.store.put(key, entry):
                self._gone(gone, evicted)
                kept = kept and evicted is not entry
            if replaced is not None and entry.hits:  # LFU goes on counting: they are not those of two
                self._hits_of_gone -= min(entry.hits, replaced.hits)
            return kept

    def replace(self, key: Hashable, entry: Entry | None) -> None:
        """Put an entry in, or none, whatever was there; keep nothing that is being looked up for the key."""
        with self._lock:
            self.delete([key])
            if entry is not None:
                fence = self.begin(key)
                self.keep(fence, entry)
                self.end(fence)

    def begin_in_fork(self) -> None:
        """Who looked something up is in the parent, and does not end it here; the one that forked keeps nothing."""
        with self._lock:
            for fences in self._fences.values():
                for fence in fences:
                    fence.void = True
            self._fences.clear()

    def delete(self, keys: Iterable[Hashable]) -> None:
        """Remove entries, and keep nothing that is being looked up for them."""
        with self._lock:
            for key in keys:
                for fence in self._fences.get(key, ()):
                    fence.void = True
                self._gone(key, self.store.pop(key))

    def expire(self, keys: Iterable[Hashable]) -> None:
        """Make entries stale; keep nothing that is being looked up for them."""
        now = self._clock.now()
        with self._lock:
            for key in keys:
                for fence in self._fences.get(key, ()):
                    fence.void = True
                entry = self.store.get(key)
                if entry is not None:
                    entry.deadline = min(entry.deadline, now)
                    entry.fresh_until = min(entry.fresh_until, now)

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove all that has one of the tags, and keep nothing that turns out to have one."""
        gone = set(tags)
        with self._lock:
            for fences in self._fences.values():
                for fence in fences:
                    fence.removed_tags |= gone
                    if len(fence.removed_tags) > _MOST_REMOVED:  # of a loader that may never return
                        fence.void = True
                        fence.removed_tags.clear()
            for tag in gone:
                for key in self._tagged.pop(tag, ()):
                    self._gone(key, self.store.pop(key))

    def clear(self) -> None:
        """Remove everything, and keep nothing that is being looked up."""
        with self._lock:
            for fences in self._fences.values():
                for fence in fences:
                    fence.void = True
            self._tagged.clear()
            hits = list(map(_HITS, self.store.values()))
            self._hits_of_gone += sum(hits)
            self.unread += hits.count(0)
            self.store.clear()

    def listen(self, *, heard: bool) -> None:
        """Whether changes made elsewhere reach us; while they do not, nothing is kept."""
        with self._lock:
            self._deaf = not heard
            self.clear()

    def hits(self) -> int:
        """How often an entry was given so far."""
        with self._lock:
            gone, here = self._hits_of_gone, self.store.values()
        found: int = sum(map(_HITS, here))  # nobody has to wait for it
        return gone + found

    def hold(self, keys: Sequence[Hashable], tags: Sequence[str], token: str, seconds: float) -> None:
        """Remove, and keep nothing for these until `release`, or for so many seconds."""
        now = self._clock.now()
        until = now + seconds
        with self._lock:
            self._held, self._held_tags = _lasting(self._held, now), _lasting(self._held_tags, now)
            for key in keys:
                self._held.setdefault(key, {})[token] = until
            for tag in tags:
                self._held_tags.setdefault(tag, {})[token] = until
            self.delete(keys)
            self.remove_tags(tags)

    def release(self, keys: Sequence[Hashable], tags: Sequence[str], token: str) -> None:
        """Remove once more, and end the hold."""
        with self._lock:
            self.delete(keys)
            self.remove_tags(tags)
            _let_go(self._held, keys, token)
            _let_go(self._held_tags, tags, token)

    def _is_held(self, key: Hashable, entry: Entry) -> bool:
        if not self._held and not self._held_tags:
            return False
        now = self._clock.now()
        holds = [self._held.get(key), *(self._held_tags.get(tag) for tag in entry.tags)]
        return any(_lasts(hold, now) for hold in holds)

    def _gone(self, key: Hashable, entry: Entry | None) -> None:
        if entry is None:
            return
        self._hits_of_gone += entry.hits
        self.unread += not entry.hits
        for tag in entry.tags:
            keys = self._tagged.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._tagged[tag]


def _lasts(holds: dict[str, float] | None, now: float) -> bool:
    return holds is not None and max(holds.values(), default=now) > now


def _lasting(held: dict[T, dict[str, float]], now: float) -> dict[T, dict[str, float]]:
    return {name: holds for name, holds in held.items() if _lasts(holds, now)}


def _let_go(held: dict[Any, dict[str, float]], names: Sequence[Any], token: str) -> None:
    for name in names:
        holds = held.get(name)
        if holds is not None:
            holds.pop(token, None)
            if not holds:
                del held[name]
