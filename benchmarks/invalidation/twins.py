"""Caches that are ours but for one defence, each of which loses something: so we know that the schedules would show it.

Each replaces some methods of the cache's own classes while it is tried.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from unittest import mock

from perfloop.caching import core as core_module
from perfloop.caching import search
from perfloop.caching.core import Core
from perfloop.caching.levels import MemoryLevel
from perfloop.caching.levels.protocol import Lease, LeaseState, Stored
from perfloop.caching.local import Entry, Fence, LocalLevel
from perfloop.caching.missed import Missed
from perfloop.caching.outbox import Outbox
from perfloop.caching.search import Found
from perfloop.caching.shared import SharedLevel

from .world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from perfloop.caching.levels.memory import _Entry

__all__ = ["NAIVE", "TWINS", "without"]

_lease, _put = MemoryLevel._lease, MemoryLevel._put
_begin, _keep = LocalLevel.begin, LocalLevel.keep


def _lease_to_all(level: MemoryLevel, key: str, token: str, seconds: float, even_if_fresh: bool) -> Lease:
    lease = _lease(level, key, token, seconds, even_if_fresh)
    return lease if lease.state is LeaseState.FRESH else Lease(LeaseState.GRANTED, lease.stored)


def _fill_always(level: MemoryLevel, key: str, stored: Stored, token: str) -> bool:
    level._put(key, stored, level._changes)
    return True


def _since_filled(level: MemoryLevel, key: str, stored: Stored, since: int) -> None:
    _put(level, key, stored, level._changes)


def _removed_before(level: MemoryLevel, tags: Sequence[str], since: int) -> bool:
    return level._cleared > since


def _delete_entries(level: MemoryLevel, keys: Sequence[str]) -> None:
    for key in keys:
        level._entries.pop(key, None)


def _write_at_once(level: MemoryLevel, entries: Mapping[str, Stored]) -> Any:
    def request() -> None:
        level._delete(list(entries))
        for key, stored in entries.items():
            if not level._is_held(key, stored.tags):
                _put(level, key, stored, level._changes)

    return level._ask(request)


def _expire_entries(level: MemoryLevel, keys: Sequence[str]) -> Any:
    def request() -> None:
        for key in keys:
            entry: _Entry | None = level._entries.get(key)
            if entry is not None:
                entry.fresh_until = min(entry.fresh_until, level._clock.now())

    return level._ask(request)


def _clear_entries(level: MemoryLevel) -> Any:
    return level._ask(level._entries.clear)


def _is_held_now(level: MemoryLevel, key: str, tags: Sequence[str], since: float | None = None) -> bool:
    now = level._clock.now()
    holds = [level._held_keys.get(key, {}), *(level._held_tags.get(tag, {}) for tag in tags)]
    return any(until > now for hold in holds for until in hold.values())


def _release_all(level: MemoryLevel, keys: Sequence[str], tags: Sequence[str], token: str) -> Any:
    def request() -> None:
        level._delete(keys)
        level._remove_tags(tags)
        for key in keys:
            level._held_keys.pop(key, None)
        for tag in tags:
            level._held_tags.pop(tag, None)

    return level._ask(request)


def _keep_always(local: LocalLevel, fence: Fence, entry: Entry) -> bool:
    fence.void, fence.held = False, False
    fence.removed_tags, fence.held_tags = set(), frozenset()
    return _keep(local, fence, entry)


def _keep_tagged(local: LocalLevel, fence: Fence, entry: Entry) -> bool:
    fence.removed_tags = set()
    return _keep(local, fence, entry)


def _begin_unheld(local: LocalLevel, key: Any) -> Fence:
    fence = _begin(local, key)
    fence.held, fence.held_tags = False, frozenset()
    return fence


def _forget(missed: Missed, *_: Any, **__: Any) -> None:
    return None


def _hold_not(missed: Missed, *_: Any) -> Any:
    return
    yield


def _tell_nobody_late(core: Core, depth: int, missed: Missed) -> Any:
    return
    yield


def _say_once(outbox: Outbox, own: Any = None) -> Any:
    while own or outbox._unsaid:
        yield from outbox._publish(own or outbox._unsaid.popleft())
        own = None


class _TopFirst(list[SharedLevel]):
    def __reversed__(self) -> Iterator[SharedLevel]:
        return iter(self)


def _top_down(core: Core, *arguments: Any, **named: Any) -> None:
    _make(core, *arguments, **named)
    core.levels = _TopFirst(core.levels)


_make = Core.__init__


class _KeptEverywhere(Found):
    """A value that the process keeps whatever the levels below said."""

    @property  # type: ignore[misc]
    def keep(self) -> bool:
        return True

    @keep.setter
    def keep(self, value: bool) -> None: ...


_Patch = tuple[Any, str, Any]
_NO_LEASES: list[_Patch] = [(MemoryLevel, "_lease", _lease_to_all), (MemoryLevel, "_fill", _fill_always)]
_NO_FENCES: list[_Patch] = [(LocalLevel, "keep", _keep_always)]

NAIVE = "no defence"
TWINS: dict[str, list[_Patch]] = {
    NAIVE: [*_NO_LEASES, *_NO_FENCES],
    "no leases": _NO_LEASES,
    "no fences": _NO_FENCES,
    "changes from the top down": [(Core, "__init__", _top_down)],
    "tags judged by when it was filled in": [
        (MemoryLevel, "_put", _since_filled),
        (MemoryLevel, "_removed_since", lambda level, tags, since: False),
    ],
    "no tags on leases": [(MemoryLevel, "_removed_since", _removed_before)],
    "no tags on fences": [(LocalLevel, "keep", _keep_tagged)],
    "a delete voids no lease": [(MemoryLevel, "_delete", _delete_entries)],
    "expire voids no lease": [(MemoryLevel, "expire", _expire_entries)],
    "clear voids no lease": [(MemoryLevel, "clear", _clear_entries)],
    "a write in one request": [(MemoryLevel, "write", _write_at_once)],
    "no holds": [(MemoryLevel, "_is_held", lambda *_: False), (LocalLevel, "hold", lambda *_: None)],
    "a hold forgotten at its end": [(MemoryLevel, "_is_held", _is_held_now)],
    "a hold forgotten at its end in the process": [(LocalLevel, "begin", _begin_unheld)],
    "who releases ends all holds": [(MemoryLevel, "release", _release_all)],
    "what a level missed is forgotten": [(Missed, "add", _forget)],
    "an idle process tells nobody what was missed": [(World, "may_recover", lambda world, node: False)],
    "what a dead one could not tell is told by nobody": [(Core, "heard", Core.invalidate_here)],
    "a level that missed a hold does not hold": [(Missed, "hold", _hold_not)],
    "nobody above is told late": [(Core, "_told_late", _tell_nobody_late)],
    "a message cut off is forgotten": [(Outbox, "say", _say_once)],
    "who comes later joins an old look-up": [(Fence, "touched", False)],
    "a gap clears nothing": [(World, "close_gap", lambda world, node: setattr(node, "has_gap", False))],
    "a death is no gap": [(World, "fall_silent", lambda world, node: None)],
    "kept although a level below refused": [
        (search, "Found", _KeptEverywhere),
        (core_module, "Found", _KeptEverywhere),
    ],
}


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Put the twin in our place."""
    with contextlib.ExitStack() as stack:
        for owner, attribute, new in TWINS[name]:
            stack.enter_context(mock.patch.object(owner, attribute, new))
        yield
