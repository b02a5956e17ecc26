"""What the process' own level keeps, and what has to go when it is full: one policy a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...exceptions import InvalidValue
from .bounded import Bounded
from .ghosts import GhostEstimate, Ghosts
from .lfu import LFUStore
from .lru import LRUStore
from .protocol import Counted, Store
from .tinylfu import TinyLFUStore

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "STORES",
    "Bounded",
    "Counted",
    "GhostEstimate",
    "Ghosts",
    "LFUStore",
    "LRUStore",
    "Store",
    "TinyLFUStore",
    "make_store",
]

STORES: Final[Mapping[str, type[Bounded[Any]]]] = {"tinylfu": TinyLFUStore, "lru": LRUStore, "lfu": LFUStore}
"""Every policy by its name."""


def make_store(policy: str, *, max_entries: int | None = None, max_weight: int | None = None) -> Bounded[Any]:
    """A store of the policy, empty.

    Raises:
        InvalidValue: no such policy, no bound, or one below 1.
    """
    if policy not in STORES:
        raise InvalidValue(f"Expected a policy out of {', '.join(STORES)}", got=policy)
    return STORES[policy](max_entries=max_entries, max_weight=max_weight)
