"""A cache of several levels that loses no invalidation (chapter 4)."""

from .backplane import Backplane, Invalidation
from .levels import Lease, LeaseState, Level, MemoryLevel, Stored
from .multilevel import MultiLevelCache
from .options import EntryOptions

__all__ = [
    "Backplane",
    "EntryOptions",
    "Invalidation",
    "Lease",
    "LeaseState",
    "Level",
    "MemoryLevel",
    "MultiLevelCache",
    "Stored",
]
