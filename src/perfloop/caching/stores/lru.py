"""Least recently used, as CLOCK finds it: whoever was read since it was last looked at gets a second chance."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from .bounded import Bounded
from .protocol import Counted

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["LRUStore"]

E = TypeVar("E", bound=Counted)

# Bounds the time of one `put` when everything was read; the oldest goes then.
_MOST_CHANCES = 256


class LRUStore(Bounded[E]):
    """Keeps what was put in or read last. Good where what was asked for just now is asked for again, bad at scans.

    CLOCK, or second chance: Corbató, A Paging Experiment with the Multics System, 1968.
    """

    def __init__(self, *, max_entries: int | None = None, max_weight: int | None = None) -> None:
        super().__init__(max_entries=max_entries, max_weight=max_weight)
        self._order: OrderedDict[Hashable, E] = OrderedDict()
        self._entries = self._order
        self.get = self._entries.get

    def put(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        if entry.weight > self.max_weight:
            return self._refuse(key, entry)
        self.pop(key)
        gone = []
        while self._has_no_room_for(entry.weight):
            gone.append(self._make_room())
        entry.mark = entry.hits
        self._order[key] = entry
        self.weight += entry.weight
        return gone

    def _make_room(self) -> tuple[Hashable, E]:
        order = self._order
        for _ in range(min(len(order), _MOST_CHANCES)):
            key = next(iter(order))
            oldest = order[key]
            if oldest.hits == oldest.mark:
                break
            oldest.mark = oldest.hits
            order.move_to_end(key)
        key, oldest = order.popitem(last=False)
        self.weight -= oldest.weight
        return key, oldest
