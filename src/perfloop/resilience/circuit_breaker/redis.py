"""Shared circuits in Redis: one small hash each, changed by one script."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidValue
from .shared_state import SharedView

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

__all__ = ["RedisSharedState"]

_KEPT_MS = 24 * 3600 * 1000
# ARGV: order, who asks, version known, milliseconds, reason, milliseconds to keep. Times are the server's.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'version', 'until', 'lease', 'holder', 'reason')
local version, till, lease = tonumber(kept[1] or 0), tonumber(kept[2] or 0), tonumber(kept[3] or 0)
local holder, reason = kept[4], kept[5] or ''
local order, known, ms, done = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), 0
local free = lease <= now or holder == ARGV[2]
if order == 'open' and (till == 0 or known >= version and free) or order == 'close' and known >= version then
  version, done = math.max(version, known) + 1, 1
  till, reason = 0, ''
  if order == 'open' then till, reason = now + ms, ARGV[5] end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'version', version, 'until', till, 'reason', reason)
  redis.call('PEXPIRE', KEYS[1], ms + tonumber(ARGV[6]))
elseif order == 'claim' and till <= now and free then
  done = 1
  redis.call('HSET', KEYS[1], 'lease', now + ms, 'holder', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ms + tonumber(ARGV[6]))
end
return {version, till > 0 and 1 or 0, math.max(till - now, 0), reason, done}
"""


class RedisSharedState:
    """Circuits of one name in all processes that use one Redis (5 or newer) open and close together.

    What is lost with the server is only that: each process goes on with what it knows.
    """

    def __init__(self, connect: Callable[[], redis.Redis], *, prefix: str = "perfloop:circuit:") -> None:
        """Nothing is asked yet.

        Args:
            connect: makes a client of redis-py: `lambda: redis.Redis.from_url(url)`. Called once in each process, forks
                too. The client's timeouts bound how long a state stays unread, never a call.
            prefix: of the keys; the breaker's name follows.

        Raises:
            InvalidValue: no function.
        """
        if not callable(connect):
            raise InvalidValue(
                "Expected a function that makes a client", where="connect", hint="lambda: redis.Redis.from_url(url)"
            )
        self._connect = connect
        self._prefix = prefix
        self._scripts: dict[int, Any] = {}  # by process

    def read(self, name: str) -> SharedView:
        """As it is now."""
        return self._run(name, "read")

    def open(self, name: str, holder: str, known: int, seconds: float, reason: str) -> SharedView:
        """Open it for so long, unless it was opened since version `known`, or another holder may send probes now."""
        return self._run(name, "open", holder, known, seconds, reason)

    def close(self, name: str, known: int) -> SharedView:
        """Close it, unless it has changed since version `known`."""
        return self._run(name, "close", known=known)

    def claim(self, name: str, holder: str, seconds: float) -> SharedView:
        """Take the right to send probes, for so long."""
        return self._run(name, "claim", holder, seconds=seconds)

    def _run(
        self, name: str, order: str, holder: str = "", known: int = 0, seconds: float = 0.0, text: str = ""
    ) -> SharedView:
        arguments: list[str | int] = [order, holder, known, round(seconds * 1000), text, _KEPT_MS]
        # A parent's client is of no use, as its thread may have held the pool's lock at the fork, and not to be closed
        # either: so it stays.
        script = self._scripts.get(os.getpid())
        if script is None:
            script = self._scripts[os.getpid()] = self._connect().register_script(_SCRIPT)
        version, is_open, remaining, reason, done = script(keys=[self._prefix + name], args=arguments)
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        return SharedView(version, bool(is_open), remaining / 1000, reason, bool(done))
