"""Memory of the running process: its figures, and whether it leaks."""

from __future__ import annotations

from .allocations import AllocatingLine, WindowCost
from .evidence import LeakEvidence, LeakReport
from .growth import TypeGrowth
from .leak_detector import MemoryLeakDetector
from .monitor import MemoryMonitor
from .options import LeakOptions, MemoryOptions
from .retaining import RetainingPath, retaining_path
from .samples import MemorySample, read_sample
from .verdict import Course, LeakClass, LeakRule, LeakVerdict, judge

__all__ = [
    "AllocatingLine",
    "Course",
    "LeakClass",
    "LeakEvidence",
    "LeakOptions",
    "LeakReport",
    "LeakRule",
    "LeakVerdict",
    "MemoryLeakDetector",
    "MemoryMonitor",
    "MemoryOptions",
    "MemorySample",
    "RetainingPath",
    "TypeGrowth",
    "WindowCost",
    "judge",
    "read_sample",
    "retaining_path",
]
