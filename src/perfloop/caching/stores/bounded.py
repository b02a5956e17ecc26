"""What all stores have in common: entries in a dictionary, and their bounds."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from ...exceptions import InvalidValue
from .protocol import Counted

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

__all__ = ["Bounded"]

E = TypeVar("E", bound=Counted)


class Bounded(ABC, Generic[E]):
    """A mapping that never holds more than `max_entries`, nor more than `max_weight`, when `put` has returned."""

    def __init__(self, *, max_entries: int | None = None, max_weight: int | None = None) -> None:
        """An empty one.

        Args:
            max_entries: how many entries at most; not bounded unless given.
            max_weight: how much all entries weigh together at most, in bytes; not bounded unless given.

        Raises:
            InvalidValue: no bound is given, or one below 1.
        """
        if max_entries is None and max_weight is None:
            raise InvalidValue("Expected max_entries or max_weight, got neither")
        for name, bound in (("max_entries", max_entries), ("max_weight", max_weight)):
            if bound is not None and bound < 1:
                raise InvalidValue(f"Expected {name} of 1 or more", got=bound)
        self.max_entries = sys.maxsize if max_entries is None else max_entries
        self.max_weight = sys.maxsize if max_weight is None else max_weight
        self.weight = 0
        """What all entries weigh together."""
        self.refused = 0
        """How many entries were heavier than the whole store."""
        self._entries: dict[Hashable, E] = {}
        self.get: Callable[[Hashable], E | None] = self._entries.get
        """The entry. The dictionary's own method: no store spends anything on a read."""

    @abstractmethod
    def put(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        """As `Store.put` has it."""

    def pop(self, key: Hashable) -> E | None:
        """Remove it, and give it."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.weight -= entry.weight
        return entry

    def clear(self) -> None:
        """Remove everything."""
        self._entries.clear()
        self.weight = 0

    def items(self) -> list[tuple[Hashable, E]]:
        """What there is at this moment."""
        return list(self._entries.items())

    def values(self) -> list[E]:
        """The entries at this moment; of many, taken much sooner than with their keys."""
        return list(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def _refuse(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        """It is heavier than the whole store; what it was to replace is out of date all the same."""
        self.pop(key)
        self.refused += 1
        return [(key, entry)]

    def _has_no_room_for(self, weight: int) -> bool:
        """Whether something must go before another entry comes."""
        return len(self._entries) >= self.max_entries or self.weight + weight > self.max_weight
