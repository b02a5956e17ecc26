"""Load testing: an open or closed model, latency from the moment a request was due, and an honest generator."""

from __future__ import annotations

from .arrivals import PROFILES, Arrival, Profile, parse_profile, profile_of
from .capacity import CapacityOptions, find_capacity, find_capacity_sync
from .engine import Engine
from .guide import LoadTest, LoadTestResult
from .options import LoadOptions
from .outcome import LoadOutcome, Progress
from .recording import Samples
from .request import Request
from .running import new_event_loop, quiet_collector, run, run_sync
from .target import Target
from .thinking import ThinkTime, parse_think_time

__all__ = [
    "PROFILES",
    "Arrival",
    "CapacityOptions",
    "Engine",
    "LoadOptions",
    "LoadOutcome",
    "LoadTest",
    "LoadTestResult",
    "Profile",
    "Progress",
    "Request",
    "Samples",
    "Target",
    "ThinkTime",
    "find_capacity",
    "find_capacity_sync",
    "new_event_loop",
    "parse_profile",
    "parse_think_time",
    "profile_of",
    "quiet_collector",
    "run",
    "run_sync",
]
