"""The circuit breaker: keeps calls from a service that fails, and finds out when it works again."""

from .breaker import CircuitBreaker
from .consecutive import Consecutive
from .core import CircuitCore
from .count_window import CountWindow
from .keyed import KeyedCircuitBreaker
from .level_breaker import LevelBreaker
from .redis import RedisSharedState
from .shared_state import SharedState, SharedView
from .state import CircuitState
from .time_window import TimeWindow

__all__ = [
    "CircuitBreaker",
    "CircuitCore",
    "CircuitState",
    "Consecutive",
    "CountWindow",
    "KeyedCircuitBreaker",
    "LevelBreaker",
    "RedisSharedState",
    "SharedState",
    "SharedView",
    "TimeWindow",
]
