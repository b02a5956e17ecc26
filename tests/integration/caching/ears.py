"""A backplane, and what it has told."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfloop.caching import Backplane

__all__ = ["Ear"]

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
