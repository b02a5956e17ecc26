"""What the caches of the service have counted, once a second: asked of the perfloop that the service has imported."""

from __future__ import annotations

import sys
from array import array
from time import monotonic_ns

from .channel import CHANNEL, Channel
from .protocol import CACHES

__all__ = ["attach"]

_EVERY_NS = 1_000_000_000
_SHARE = 100
"""Reading the counts of large caches takes some milliseconds: it is done so rarely that it takes 1 % of a processor."""


class _Caches:
    """When they were last asked."""

    def __init__(self) -> None:
        self._next = 0
        self._last = b""

    def start(self) -> None:
        self._next, self._last = 0, b""

    def flush(self, now: int, asked: bool) -> None:
        """Called before the channel sends."""
        module = sys.modules.get("perfloop.telemetry.caches")
        if module is None or (now < self._next and not asked):
            return
        began = monotonic_ns()
        told = module.report()
        ended = monotonic_ns()
        self._next = ended + max(_EVERY_NS, _SHARE * (ended - began))
        if told and (asked or told != self._last):
            self._last = told
            CHANNEL.put(CACHES, array("q", (ended,)).tobytes() + told)


def attach(channel: Channel) -> None:
    """Tell of them before the channel's sendings."""
    caches = _Caches()
    channel.at_connect.append(caches.start)
    channel.at_flush.append(caches.flush)
