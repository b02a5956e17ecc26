"""What a service does now: rolling figures, the slowest requests, resources against targets. Pure, but for readings."""

from __future__ import annotations

from .recorder import LiveRecorder
from .resources import Reading, Usage, read_processes
from .slowest import SlowRequest, SlowStatement
from .state import AlertShown, Budget, CacheState, LiveState, Memory, PartCourse, PartState, Points, RouteFigures

__all__ = [
    "AlertShown",
    "Budget",
    "CacheState",
    "LiveRecorder",
    "LiveState",
    "Memory",
    "PartCourse",
    "PartState",
    "Points",
    "Reading",
    "RouteFigures",
    "SlowRequest",
    "SlowStatement",
    "Usage",
    "read_processes",
]
