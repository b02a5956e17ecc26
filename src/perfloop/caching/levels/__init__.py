"""The levels below the process' own, one file each."""

from .memory import MemoryLevel
from .protocol import Lease, LeaseState, Level, Stored
from .sqlite import SQLiteLevel

__all__ = ["Lease", "LeaseState", "Level", "MemoryLevel", "SQLiteLevel", "Stored"]
