"""A cache of several levels that loses no invalidation (chapter 4)."""

from .levels import Lease, LeaseState, Level, MemoryLevel, Stored

__all__ = ["Lease", "LeaseState", "Level", "MemoryLevel", "Stored"]
