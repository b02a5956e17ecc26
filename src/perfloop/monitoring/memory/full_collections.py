"""Full collections, after which memory is worth comparing: the interpreter's own, and forced ones within a budget.

A full collection stops all threads while it walks the heap: a few milliseconds in a small service, a hundred for a
million objects. So forced ones may take a small share of the time only, and one that the interpreter makes for itself
is used as well.
"""

from __future__ import annotations

import gc
import math
import time

__all__ = ["CollectionBudget", "FullCollections"]


class CollectionBudget:
    """When another full collection may be forced. Pure."""

    def __init__(self, share: float) -> None:
        """One may be made at once, and tells what they cost.

        Args:
            share: of the time that forced collections may take; 0: none is ever made.
        """
        self._share = share
        self._next = -math.inf if share else math.inf

    def allows(self, now: float) -> bool:
        """Whether one may be made now, in seconds of any clock."""
        return now >= self._next

    def spent(self, now: float, seconds: float) -> None:
        """One has been made, that ended now and took so long."""
        self._next = now + seconds / self._share if self._share else math.inf


class FullCollections:
    """Knows whether there was a full collection just now, and makes one when it may."""

    def __init__(self, share: float) -> None:
        """As of `CollectionBudget`."""
        self._budget = CollectionBudget(share)
        self._seen = _full_collections()

    def happened(self, now: float) -> bool:
        """Whether memory has been collected: by the interpreter since the last call, or by this call.

        With the collector switched off (`gc.disable()`) always: what is garbage then stays, and counts.
        """
        count = _full_collections()
        own, self._seen = count != self._seen, count
        if own or not gc.isenabled():
            return True
        if not self._budget.allows(now):
            return False
        # CPU time: a thread that has to wait for a processor meanwhile holds nobody else up.
        started = time.thread_time()
        gc.collect()
        self._budget.spent(now, time.thread_time() - started)
        self._seen = _full_collections()
        return True


def _full_collections() -> int:
    return int(gc.get_stats()[-1]["collections"])
