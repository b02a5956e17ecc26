"""Scenarios: what virtual users do, declared in TOML or Python objects, or written as Python coroutines."""

from __future__ import annotations

from .document import Check, Extraction, Feeder, Journey, PythonScenario, Scenario, Step, WeightedRequest
from .event_stream import ServerSentEvent
from .events import EventStream
from .files import read_scenario
from .programming import journey
from .response import Response
from .user import RequestFailed, User
from .websocket import WebSocket

__all__ = [
    "Check",
    "EventStream",
    "Extraction",
    "Feeder",
    "Journey",
    "PythonScenario",
    "RequestFailed",
    "Response",
    "Scenario",
    "ServerSentEvent",
    "Step",
    "User",
    "WebSocket",
    "WeightedRequest",
    "journey",
    "read_scenario",
]
