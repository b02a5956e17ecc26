"""The levels below the process' own, one file each."""

from .memory import MemoryLevel
from .protocol import Lease, LeaseState, Level, Stored

__all__ = ["Lease", "LeaseState", "Level", "MemoryLevel", "Stored"]
