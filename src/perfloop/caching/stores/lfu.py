"""Least frequently used: what was read least often while it was here goes first."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeVar

from .bounded import Bounded
from .protocol import Counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["LFUStore"]

E = TypeVar("E", bound=Counted)


class LFUStore(Bounded[E]):
    """Keeps what was read most often; of equals, what came last. Good while the same things stay wanted, bad when what
    is wanted moves on: nothing is ever forgotten.

    A heap of counts that may be out of date: counts only grow, so what comes off it with the count it has is the least.
    """

    def __init__(self, *, max_entries: int | None = None, max_weight: int | None = None) -> None:
        super().__init__(max_entries=max_entries, max_weight=max_weight)
        # (count when it was looked at, number, key); the number is the entry's mark, so that others' are told apart.
        self._heap: list[tuple[int, int, Hashable]] = []
        self._last = 0

    def put(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        if entry.weight > self.max_weight:
            return self._refuse(key, entry)
        replaced = self.pop(key)
        if replaced is not None:
            entry.rank = replaced.rank + replaced.hits
        gone = []
        while self._has_no_room_for(entry.weight):
            gone.append(self._make_room())
        self._last += 1
        entry.mark = self._last
        self._entries[key] = entry
        self.weight += entry.weight
        heappush(self._heap, (_count(entry), entry.mark, key))
        if len(self._heap) > 2 * len(self._entries) + 64:
            self._heap = [(_count(entry), entry.mark, key) for key, entry in self._entries.items()]
            heapify(self._heap)
        return gone

    def clear(self) -> None:
        super().clear()
        self._heap.clear()

    def _make_room(self) -> tuple[Hashable, E]:
        # Once for each entry is enough, unless others read them meanwhile, which is not waited for.
        looks = len(self._entries)
        while True:
            count, number, key = heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.mark != number:
                continue
            now = _count(entry)
            if now > count and looks > 0:
                looks -= 1
                heappush(self._heap, (now, number, key))
                continue
            del self._entries[key]
            self.weight -= entry.weight
            return key, entry


def _count(entry: Counted) -> int:
    """Its hits, and those of what it has replaced, which are its rank."""
    return entry.hits + entry.rank
