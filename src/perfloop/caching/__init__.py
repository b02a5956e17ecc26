"""A cache of several levels that loses no invalidation (chapter 4)."""

from .backplane import Backplane, Invalidation
from .cache_aside import CacheAside
from .decorator import AsyncCached, Cached, cached
from .insight import CacheStatistics, CostlyKey, LevelStatistics
from .levels import Lease, LeaseState, Level, MemoryLevel, SQLiteLevel, Stored
from .multilevel import MultiLevelCache
from .options import EntryOptions

__all__ = [
    "AsyncCached",
    "Backplane",
    "CacheAside",
    "CacheStatistics",
    "Cached",
    "CostlyKey",
    "EntryOptions",
    "Invalidation",
    "Lease",
    "LeaseState",
    "Level",
    "LevelStatistics",
    "MemoryLevel",
    "MultiLevelCache",
    "SQLiteLevel",
    "Stored",
    "cached",
]
