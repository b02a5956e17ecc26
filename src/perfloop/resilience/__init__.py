"""Parts that keep a service up while others fail: circuit breaker, bulkhead, and the rest of the family (chapter 9)."""

from .attempt import Recorder
from .gate import Gate, Guard
from .outcome import FAILURE, IGNORED, SUCCESS, Classification, ErrorTest, Outcome
from .part import Description, Part, PartEvent
from .parts import live_parts
from .policy import Policy, PolicyDescription

__all__ = [
    "FAILURE",
    "IGNORED",
    "SUCCESS",
    "Classification",
    "Description",
    "ErrorTest",
    "Gate",
    "Guard",
    "Outcome",
    "Part",
    "PartEvent",
    "Policy",
    "PolicyDescription",
    "Recorder",
    "live_parts",
]
