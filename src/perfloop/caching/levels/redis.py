"""A level in Redis (6.2 or newer, one server): a hit costs one round trip of native commands."""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from ..effects import Call, Program
from .protocol import WRITE_SECONDS, Lease, LeaseState, Stored
from .redis_scripts import FENCE, FORMAT, HEAD, SCRIPTS, Script
from .redis_transport import Lookup, RedisOptions, RedisTransport, pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["RedisLevel", "RedisOptions"]

_LOG = logging.getLogger("perfloop.caching")
LONGEST_KEPT = 10 * 365 * 86400.0
"""Seconds; what is to be kept for longer is kept for this long."""
_TAGS = msgspec.msgpack.Decoder(tuple[str, ...])
_encode_tags = msgspec.msgpack.encode


class _Change:
    """A script of one namespace; a new epoch is ready should it need one."""

    __slots__ = ("_arguments", "_epoch", "_prefix", "_script")

    def __init__(self, script: Script, prefix: bytes, arguments: Iterable[bytes]) -> None:
        self._script, self._prefix, self._arguments, self._epoch = script, prefix, tuple(arguments), os.urandom(8)

    def packed(self, run: bytes) -> bytes:
        return pack(b"EVALSHA", self._script.digest, b"1", self._prefix, run, self._epoch, *self._arguments)

    def again(self, run: bytes) -> bytes:
        return pack(b"EVAL", self._script.text, b"1", self._prefix, run, self._epoch, *self._arguments)


class RedisLevel:
    """What several processes share, in one Redis server.

    Ages are told by the server's clock: to set it back makes what is there last longer.

    Restarting the server, failing over or flushing it empties the cache: nothing that was removed comes back. A hold
    that the server evicts for want of memory is lost; only should its holder die as well before it releases, an old
    value can stay until its time is over.

    Args:
        url: `redis://[[user]:password@]host[:port][/database]`, `rediss://…` with TLS, or `unix:///path`.
        namespace: what it shares the server with others under; any text.
        name: in messages and telemetry.
        options: time limits and the number of connections.
        transport: another level's way to the same server, to share its connections; `url` is not used then.

    Raises:
        ConfigurationError: the URL is none. Each program raises LevelFailed when the server cannot be reached, is too
            slow, or refuses.
    """

    def __init__(
        self,
        url: str = "redis://127.0.0.1:6379/0",
        *,
        namespace: str = "",
        name: str = "redis",
        options: RedisOptions | None = None,
        transport: RedisTransport | None = None,
    ) -> None:
        self.name = name
        self.transport = transport or RedisTransport(url, options or RedisOptions())
        space = _bytes(namespace)
        self._prefix = b"perfloop:%d:%b:" % (len(space), space)
        fence = self._prefix + b"f"
        self._fence = b"$%d\r\n%b\r\n" % (len(fence), fence)
        self._value = self._prefix + b"v"

    def close(self) -> None:
        """Close the connections of threads, and of event loops that have gone."""
        self.transport.close()

    async def aclose(self) -> None:
        """Close the connections of threads and of this event loop."""
        await self.transport.aclose()

    def read(self, keys: Sequence[str]) -> Program[list[Stored | None]]:
        parts = [b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 2)]
        for key in keys:
            name = self._value + _bytes(key)
            parts.append(b"$%d\r\n%b\r\n" % (len(name), name))
        parts.append(self._fence)
        if not keys:
            return []
        run, (*values, fence) = yield Call(self.transport, Lookup(b"".join(parts)))
        if fence is None or len(fence) != FENCE.size or not fence.startswith(run):
            if fence is not None:
                yield from self._change("renew")
            return [None] * len(values)
        _, epoch, changes, cleared, floor = FENCE.unpack(fence)
        now = self.transport.clock.milliseconds()
        found: list[Stored | None] = []
        doubtful: dict[int, int] = {}
        for place, value in enumerate(values):
            found.append(None)
            if value is None or len(value) < HEAD.size:
                continue
            form, of, since, fresh_until, kept_until, size = HEAD.unpack_from(value)
            if form == FORMAT and of == epoch and since >= cleared and kept_until > now:
                found[place] = _stored(value, (fresh_until - now) / 1000.0, (kept_until - now) / 1000.0, size)
                if size and since < changes:
                    doubtful[place] = since
        if doubtful:
            yield from self._without_removed(found, doubtful, epoch, floor)
        return found

    def _without_removed(
        self, found: list[Stored | None], doubtful: Mapping[int, int], epoch: bytes, floor: int
    ) -> Program[None]:
        """Take out what has a tag that was removed since it was looked up below."""
        tags = sorted({tag for place in doubtful for tag in found[place].tags})  # type: ignore[union-attr]
        fields = [b"m", *(b"t" + _bytes(tag) for tag in tags)]
        _, (mark, *changes) = yield Call(self.transport, Lookup(pack(b"HMGET", self._prefix + b"g", *fields)))
        complete = mark == epoch + floor.to_bytes(8, "big")
        removed = {tag: int(change or 0) for tag, change in zip(tags, changes, strict=True)}
        for place, since in doubtful.items():
            stored = found[place]
            if not complete or since < floor or (stored and any(removed[tag] > since for tag in stored.tags)):
                found[place] = None

    def lease(
        self, keys: Sequence[str], token: str, seconds: float, *, even_if_fresh: bool = False
    ) -> Program[list[Lease]]:
        if not keys:
            return []
        arguments = [_bytes(token), _milliseconds(seconds), b"1" if even_if_fresh else b"0"]
        answer = yield from self._change("lease", *arguments, *map(_bytes, keys))
        now = self.transport.clock.milliseconds()
        leases = []
        for state, value in zip(answer[::2], answer[1::2], strict=True):
            stored = None
            if value is not None:
                _, _, _, fresh_until, kept_until, size = HEAD.unpack_from(value)
                stored = _stored(value, (fresh_until - now) / 1000.0, (kept_until - now) / 1000.0, size)
            leases.append(Lease(LeaseState(state.decode()), stored))
        return leases

    def fill(self, entries: Mapping[str, Stored], token: str) -> Program[list[bool]]:
        if not entries:
            return []
        return [bool(done) for done in (yield from self._change("fill", _bytes(token), *self._entries(entries)))]

    def abandon(self, keys: Sequence[str], token: str) -> Program[None]:
        if keys:
            yield from self._change("abandon", _bytes(token), *map(_bytes, keys))

    def write(self, entries: Mapping[str, Stored]) -> Program[None]:
        if entries:
            token = secrets.token_hex(12)
            yield from self._change("claim", _bytes(token), _milliseconds(WRITE_SECONDS), *map(_bytes, entries))
            yield from self.fill(entries, token)

    def delete(self, keys: Sequence[str]) -> Program[None]:
        if keys:
            yield from self._change("delete", *map(_bytes, keys))

    def expire(self, keys: Sequence[str]) -> Program[None]:
        if keys:
            yield from self._change("expire", *map(_bytes, keys))

    def remove_tags(self, tags: Sequence[str]) -> Program[None]:
        if tags:
            yield from self._change("remove_tags", *map(_bytes, tags))

    def clear(self) -> Program[None]:
        yield from self._change("clear")

    def hold(self, keys: Sequence[str], tags: Sequence[str], token: str, seconds: float) -> Program[None]:
        if keys or tags:
            yield from self._change("hold", _bytes(token), _milliseconds(seconds), *_counted(keys, tags))

    def release(self, keys: Sequence[str], tags: Sequence[str], token: str) -> Program[None]:
        if keys or tags:
            yield from self._change("release", _bytes(token), *_counted(keys, tags))

    def _entries(self, entries: Mapping[str, Stored]) -> list[bytes]:
        parts: list[bytes] = []
        for key, stored in entries.items():
            tags = _encode_tags(stored.tags) if stored.tags else b""
            data, kept = stored.data, stored.kept
            if len(data) + len(tags) > self.transport.options.max_value_bytes:
                _LOG.warning("level %s: a value of %d bytes is too long, and not kept", self.name, len(data))
                data, kept = b"", 0.0
            parts += (_bytes(key), data, _milliseconds(stored.fresh), _milliseconds(kept), tags)
        return parts

    def _change(self, script: str, *arguments: bytes) -> Program[Any]:
        _, answer = yield Call(self.transport, _Change(SCRIPTS[script], self._prefix, arguments))
        return answer


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _milliseconds(seconds: float) -> bytes:
    return b"%d" % (min(max(seconds, -LONGEST_KEPT), LONGEST_KEPT) * 1000.0)


def _counted(keys: Sequence[str], tags: Sequence[str]) -> list[bytes]:
    return [b"%d" % len(keys), *map(_bytes, keys), *map(_bytes, tags)]


def _stored(value: bytes, fresh: float, kept: float, size: int) -> Stored:
    data = HEAD.size + size
    try:
        return Stored(value[data:], fresh, kept, _TAGS.decode(value[HEAD.size : data]) if size else ())
    except msgspec.DecodeError:
        return Stored(b"", fresh, kept)  # damaged: no value, as the cache will find
