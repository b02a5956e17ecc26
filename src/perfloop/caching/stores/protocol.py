"""What a store must do, and what it needs of its entries.

A hit must cost next to nothing, so no store is told of one: who reads an entry adds to its `hits`, and the store looks
at what was added when it needs room. So reads take no lock, nothing has to be drained, and no read is lost but where
two threads add at the same moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Counted", "Store"]


class Counted(Protocol):
    """An entry, as far as a store knows it."""

    weight: int
    """What it counts against `max_weight`, in bytes; fixed while it is in a store."""
    hits: int
    """How often it was read; whoever reads it adds one."""
    mark: int
    rank: int
    """The store's own: 0 at first, nobody else changes them."""


E = TypeVar("E", bound=Counted)


class Store(Protocol[E]):
    """A bounded mapping. `get` is called by any thread at any time, everything else by one at a time."""

    def get(self, key: Hashable, /) -> E | None: ...
    def put(self, key: Hashable, entry: E) -> Sequence[tuple[Hashable, E]]:
        """Keep it. What had to go for it, each told once, but not what it replaced; the entry itself, if it is heavier
        than the whole store: then nothing is kept under its key."""

    def pop(self, key: Hashable) -> E | None: ...
    def clear(self) -> None: ...
    def items(self) -> list[tuple[Hashable, E]]: ...
    def values(self) -> list[E]: ...
    def __len__(self) -> int: ...
