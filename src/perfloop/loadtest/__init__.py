"""Load testing: an open or closed model, latency from the moment a request was due, and an honest generator."""

from __future__ import annotations

from .arrivals import PROFILES, Arrival, Profile, parse_profile, profile_of
from .capacity import CapacityOptions, find_capacity, find_capacity_sync
from .distributed import run_distributed
from .engine import Engine
from .guide import LoadTest, LoadTestResult
from .options import LoadOptions
from .outcome import LoadOutcome, OnProgress, Progress
from .recording import Samples
from .request import Request
from .running import new_event_loop, quiet_collector, run, run_sync
from .scenario import (
    Check,
    EventStream,
    Extraction,
    Feeder,
    Journey,
    PythonScenario,
    RequestFailed,
    Response,
    Scenario,
    ServerSentEvent,
    Step,
    User,
    WebSocket,
    WeightedRequest,
    journey,
    read_scenario,
)
from .target import Target
from .thinking import ThinkTime, parse_think_time

__all__ = [
    "PROFILES",
    "Arrival",
    "CapacityOptions",
    "Check",
    "Engine",
    "EventStream",
    "Extraction",
    "Feeder",
    "Journey",
    "LoadOptions",
    "LoadOutcome",
    "LoadTest",
    "LoadTestResult",
    "OnProgress",
    "Profile",
    "Progress",
    "PythonScenario",
    "Request",
    "RequestFailed",
    "Response",
    "Samples",
    "Scenario",
    "ServerSentEvent",
    "Step",
    "Target",
    "ThinkTime",
    "User",
    "WebSocket",
    "WeightedRequest",
    "find_capacity",
    "find_capacity_sync",
    "journey",
    "new_event_loop",
    "parse_profile",
    "parse_think_time",
    "profile_of",
    "quiet_collector",
    "read_scenario",
    "run",
    "run_distributed",
    "run_sync",
]
