"""A backplane, and what it has told."""

from __future__ import annotations

import asyncio
import queue
from typing import TYPE_CHECKING, Any

from perfloop.caching import Invalidation
from perfloop.caching.effects import run, run_async

if TYPE_CHECKING:
    from perfloop.caching import Backplane

__all__ = ["Ear", "assert_others_are_told"]

PATIENCE = 30.0


class Ear:
    """Listens from now on, and hears already."""

    def __init__(self, backplane: Backplane) -> None:
        self.backplane = backplane
        self.told: queue.Queue[Any] = queue.Queue()
        self.backplane.listen(self.told.put, lambda: self.told.put("gap"), lambda: self.told.put("deaf"))
        self.until("gap")

    def until(self, wanted: Any) -> list[Any]:
        """All that it is told until this, which is the last of it."""
        found = [self.told.get(timeout=PATIENCE)]
        while found[-1] != wanted:
            found.append(self.told.get(timeout=PATIENCE))
        return found


def assert_others_are_told(ears: list[Ear]) -> None:
    """Of two of a namespace and one of another, by a thread and by an event loop."""
    one, two, other = ears
    said = Invalidation(("a", "é\0"), ("tag",), expired=("b",))
    run(one.backplane.publish(said))
    assert two.until(said)
    asyncio.run(run_async(two.backplane.publish(Invalidation(all=True))))
    assert one.until(Invalidation(all=True))
    assert said not in list(other.told.queue)
