"""A shared level in this process' memory: what other levels are measured by, and for tests without servers."""

from __future__ import annotations

import secrets
from threading import RLock
from typing import TYPE_CHECKING, Any

import msgspec

from ...clock import MONOTONIC, Clock
from ...telemetry.forks import renew_lock_in_forks
from ..effects import Call, Program
from .protocol import WRITE_SECONDS, Lease, LeaseState, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["MemoryLevel"]


class _Entry(msgspec.Struct):
    data: bytes
    tags: tuple[str, ...]
    fresh_until: float
    kept_until: float
    since: int
    """The count of changes when it was looked up below."""


class _LeaseHeld(msgspec.Struct, frozen=True):
    token: str
    until: float
    since: int
    at: float


class _AtOnce:
    """Each request is a function of the level, called in one step."""

    def __init__(self) -> None:
        self._lock = RLock()
        renew_lock_in_forks(self)

    def send(self, request: Callable[[], Any]) -> Any:
        with self._lock:
            return request()

    async def send_async(self, request: Callable[[], Any]) -> Any:
        return self.send(request)


class MemoryLevel:
    """The rules of `Level` written down once more, as plainly as possible. Not bounded."""

    def __init__(self, name: str = "memory", *, clock: Clock = MONOTONIC) -> None:
        self.name = name
        self._clock = clock
        self._transport = _AtOnce()
        self._changes = 0
        self._cleared = 0
        self._removed: dict[str, int] = {}
        self._entries: dict[str, _Entry] = {}
        self._leases: dict[str, _LeaseHeld] = {}
        self._held_keys: dict[str, dict[str, float]] = {}
        self._held_tags: dict[str, dict[str, float]] = {}

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        def request() -> list[Stored | None]:
            return [self._stored(key) for key in keys]

        return self._ask(request)

    def lease(
        self, keys: Sequence[str], token: str, seconds: float, *, even_if_fresh: bool = False
    ) -> Program[list[Lease]]:
        def request() -> list[Lease]:
            return [self._lease(key, token, seconds, even_if_fresh) for key in keys]

        return self._ask(request)

    def fill(self, entries: Mapping[str, Stored], token: str) -> Program[list[bool]]:
        def request() -> list[bool]:
            return [self._fill(key, stored, token) for key, stored in entries.items()]

        return self._ask(request)

    def abandon(self, keys: Sequence[str], token: str) -> Program[None]:
        def request() -> None:
            for key in keys:
                if key in self._leases and self._leases[key].token == token:
                    del self._leases[key]

        return self._ask(request)

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        token = secrets.token_hex(12)

        def claim() -> None:
            now = self._clock.now()
            self._delete(list(entries))
            self._leases |= {key: _LeaseHeld(token, now + WRITE_SECONDS, self._changes, now) for key in entries}

        yield from self._ask(claim)
        yield from self.fill(entries, token)

    def delete(self, keys: Sequence[str]) -> Program[None]:
        return self._ask(lambda: self._delete(keys))

    def expire(self, keys: Sequence[str]) -> Program[None]:
        def request() -> None:
            now = self._clock.now()
            for key in keys:
                self._leases.pop(key, None)
                if key in self._entries:
                    self._entries[key].fresh_until = min(self._entries[key].fresh_until, now)

        return self._ask(request)

    def remove_tags(self, tags: Sequence[str]) -> Program[None]:
        return self._ask(lambda: self._remove_tags(tags))

    def clear(self) -> Program[None]:
        def request() -> None:
            self._changes += 1
            self._cleared = self._changes
            self._entries.clear()
            self._leases.clear()

        return self._ask(request)

    def hold(self, keys: Sequence[str], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        def request() -> None:
            until = self._clock.now() + seconds
            for key in keys:
                self._held_keys.setdefault(key, {})[token] = until
            for tag in tags:
                self._held_tags.setdefault(tag, {})[token] = until
            self._delete(keys)
            self._remove_tags(tags)

        return self._ask(request)

    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        def request() -> None:
            self._delete(keys)
            self._remove_tags(tags)
            for key in keys:
                self._held_keys.get(key, {}).pop(token, None)
            for tag in tags:
                self._held_tags.get(tag, {}).pop(token, None)

        return self._ask(request)

    def _ask(self, request: Callable[[], Any]) -> Program[Any]:
        return (yield Call(self._transport, request))

    def _stored(self, key: str) -> Stored | None:
        entry, now = self._entries.get(key), self._clock.now()
        if entry is None or entry.kept_until <= now or self._removed_since(entry.tags, entry.since):
            return None
        return Stored(entry.data, entry.fresh_until - now, entry.kept_until - now, entry.tags)

    def _lease(self, key: str, token: str, seconds: float, even_if_fresh: bool) -> Lease:
        stored, now = self._stored(key), self._clock.now()
        if stored is not None and stored.fresh > 0 and not even_if_fresh:
            return Lease(LeaseState.FRESH, stored)
        if self._is_held(key, ()):
            return Lease(LeaseState.HELD, stored)
        lease = self._leases.get(key)
        if lease is not None and lease.token != token and lease.until > now:
            return Lease(LeaseState.BUSY, stored)
        since, at = (lease.since, lease.at) if lease is not None and lease.token == token else (self._changes, now)
        self._leases[key] = _LeaseHeld(token, now + seconds, since, at)
        return Lease(LeaseState.GRANTED, stored)

    def _fill(self, key: str, stored: Stored, token: str) -> bool:
        lease = self._leases.get(key)
        if lease is None or lease.token != token:
            return False
        del self._leases[key]
        late = lease.until <= self._clock.now()
        if late or self._is_held(key, stored.tags, lease.at) or self._removed_since(stored.tags, lease.since):
            return False
        self._put(key, stored, lease.since)
        return True

    def _put(self, key: str, stored: Stored, since: int) -> None:
        now = self._clock.now()
        self._entries[key] = _Entry(stored.data, stored.tags, now + stored.fresh, now + stored.kept, since)

    def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._leases.pop(key, None)
            self._entries.pop(key, None)

    def _remove_tags(self, tags: Sequence[str]) -> None:
        self._changes += 1
        self._removed.update(dict.fromkeys(tags, self._changes))

    def _removed_since(self, tags: Sequence[str], since: int) -> bool:
        return self._cleared > since or any(self._removed.get(tag, 0) > since for tag in tags)

    def _is_held(self, key: str, tags: Sequence[str], since: float | None = None) -> bool:
        """Whether it is now, or was at any time since."""
        at = self._clock.now() if since is None else since
        holds = [self._held_keys.get(key, {}), *(self._held_tags.get(tag, {}) for tag in tags)]
        return any(until > at for hold in holds for until in hold.values())
