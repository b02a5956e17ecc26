"""Parts that keep a service up while others fail: circuit breaker, bulkhead, and the rest of the family (chapter 9)."""

from .attempt import Recorder
from .circuit_breaker import CircuitBreaker, CircuitState, Consecutive, CountWindow, TimeWindow
from .deadline import TIMEOUT_HEADER, TimeLimit, check_deadline, deadline, from_header, remaining, to_header
from .gate import Gate, Guard
from .outcome import FAILURE, IGNORED, SUCCESS, Classification, ErrorTest, Outcome
from .part import Description, Part, PartEvent
from .parts import live_parts
from .policy import Policy, PolicyDescription
from .timeout import Deadline, Timeout

__all__ = [
    "FAILURE",
    "IGNORED",
    "SUCCESS",
    "TIMEOUT_HEADER",
    "CircuitBreaker",
    "CircuitState",
    "Classification",
    "Consecutive",
    "CountWindow",
    "Deadline",
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
    "TimeLimit",
    "TimeWindow",
    "Timeout",
    "check_deadline",
    "deadline",
    "from_header",
    "live_parts",
    "remaining",
    "to_header",
]
