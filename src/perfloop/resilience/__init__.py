"""Parts that keep a service up while others fail: circuit breaker, bulkhead, and the rest of the family (chapter 9)."""

from .adaptive_limit import AdaptiveLimit, LimitAlgorithm
from .aimd import Aimd
from .attempt import Recorder
from .backoff import Backoff, ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff
from .budget import RetryBudget
from .bulkhead import Bulkhead, ThreadPoolBulkhead
from .check import Finding, check_all, register_limit, register_pool
from .circuit_breaker import (
    CircuitBreaker,
    CircuitState,
    Consecutive,
    CountWindow,
    KeyedCircuitBreaker,
    LevelBreaker,
    RedisSharedState,
    SharedState,
    SharedView,
    TimeWindow,
)
from .collapsing import Collapse
from .deadline import TIMEOUT_HEADER, TimeLimit, check_deadline, deadline, from_header, remaining, to_header
from .fallback import Fallback, StaleCache
from .gate import Gate, Guard
from .gradient import Gradient
from .hedging import Hedge
from .outcome import FAILURE, IGNORED, SUCCESS, Classification, ErrorTest, Outcome
from .part import Description, Part, PartEvent
from .parts import live_parts
from .policy import Policy, PolicyDescription
from .priority import priority
from .rate_limiter import RateLimiter
from .retry import Retry
from .shedding import Criticality, LoadShedder
from .throttle import ClientThrottle
from .timeout import Deadline, Timeout

__all__ = [
    "FAILURE",
    "IGNORED",
    "SUCCESS",
    "TIMEOUT_HEADER",
    "AdaptiveLimit",
    "Aimd",
    "Backoff",
    "Bulkhead",
    "CircuitBreaker",
    "CircuitState",
    "Classification",
    "ClientThrottle",
    "Collapse",
    "Consecutive",
    "ConstantBackoff",
    "CountWindow",
    "Criticality",
    "Deadline",
    "DecorrelatedBackoff",
    "Description",
    "ErrorTest",
    "ExponentialBackoff",
    "Fallback",
    "Finding",
    "Gate",
    "Gradient",
    "Guard",
    "Hedge",
    "KeyedCircuitBreaker",
    "LevelBreaker",
    "LimitAlgorithm",
    "LoadShedder",
    "Outcome",
    "Part",
    "PartEvent",
    "Policy",
    "PolicyDescription",
    "RateLimiter",
    "Recorder",
    "RedisSharedState",
    "Retry",
    "RetryBudget",
    "SharedState",
    "SharedView",
    "StaleCache",
    "ThreadPoolBulkhead",
    "TimeLimit",
    "TimeWindow",
    "Timeout",
    "check_all",
    "check_deadline",
    "deadline",
    "from_header",
    "live_parts",
    "priority",
    "register_limit",
    "register_pool",
    "remaining",
    "to_header",
]
