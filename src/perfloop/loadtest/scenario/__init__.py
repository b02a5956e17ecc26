"""Scenarios: what virtual users do, declared in TOML or Python objects, or written as Python coroutines."""

from __future__ import annotations

from .document import Check, Extraction, Feeder, Journey, PythonScenario, Scenario, Step, WeightedRequest
from .files import read_scenario
from .programming import journey
from .response import Response
from .user import RequestFailed, User

__all__ = [
    "Check",
    "Extraction",
    "Feeder",
    "Journey",
    "PythonScenario",
    "RequestFailed",
    "Response",
    "Scenario",
    "Step",
    "User",
    "WeightedRequest",
    "journey",
    "read_scenario",
]
