"""What the service's own perfloop tells of its caches and its parts of policies, once a second."""

from __future__ import annotations

import sys
from array import array
from time import monotonic_ns

from .channel import CHANNEL, Channel
from .protocol import CACHES, PARTS

__all__ = ["attach"]

_EVERY_NS = 1_000_000_000
_SHARE = 100
"""Reading the counts of large caches takes some milliseconds: it is done so rarely that it takes 1 % of a processor."""


class Told:
    """One module that has a `report`, and when it was last asked."""

    def __init__(self, module: str, kind: int) -> None:
        self._module = module
        self._kind = kind
        self._next = 0
        self._last = b""

    def start(self) -> None:
        self._next, self._last = 0, b""

    def flush(self, now: int, asked: bool) -> None:
        """Called before the channel sends."""
        module = sys.modules.get(self._module)
        if module is None or (now < self._next and not asked):
            return
        began = monotonic_ns()
        told = module.report()
        ended = monotonic_ns()
        self._next = ended + max(_EVERY_NS, _SHARE * (ended - began))
        if told and (asked or told != self._last):
            self._last = told
            CHANNEL.put(self._kind, array("q", (ended,)).tobytes() + told)


def attach(channel: Channel) -> None:
    """Tell of them before the channel's sendings."""
    for told in (Told("perfloop.telemetry.caches", CACHES), Told("perfloop.telemetry.resilience", PARTS)):
        channel.at_connect.append(told.start)
        channel.at_flush.append(told.flush)
