"""perfloop: make a Python backend fast, and prove it.

The main names are offered here and loaded when they are first used: importing perfloop itself costs next to nothing.
"""

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing: that import alone would cost more than this file
    from .caching import CacheAside, EntryOptions, MultiLevelCache, cached
    from .diagnosis import DiagnosisOptions, diagnose
    from .exceptions import PerfloopError
    from .live import LiveMonitor
    from .loadtest import (
        CapacityOptions,
        LoadOptions,
        LoadTest,
        LoadTestResult,
        Request,
        find_capacity,
        find_capacity_sync,
    )
    from .monitoring import (
        LeakOptions,
        MemoryLeakDetector,
        MemoryMonitor,
        MemoryOptions,
        PerformanceMiddleware,
        PerformanceMonitor,
        Service,
        WSGIPerformanceMiddleware,
    )
    from .records import load_record, save_record
    from .resilience import Bulkhead, CircuitBreaker, CircuitState, Deadline, Policy, RateLimiter, Retry, Timeout
    from .stats import Comparison, Histogram, compare
    from .targets import Targets
    from .telemetry import DEFAULT_REGISTRY, Registry

_HOMES = {
    "DEFAULT_REGISTRY": "telemetry",
    "Bulkhead": "resilience",
    "CacheAside": "caching",
    "CapacityOptions": "loadtest",
    "CircuitBreaker": "resilience",
    "CircuitState": "resilience",
    "Comparison": "stats",
    "Deadline": "resilience",
    "DiagnosisOptions": "diagnosis",
    "EntryOptions": "caching",
    "Histogram": "stats",
    "LeakOptions": "monitoring",
    "LiveMonitor": "live",
    "LoadOptions": "loadtest",
    "LoadTest": "loadtest",
    "LoadTestResult": "loadtest",
    "MemoryLeakDetector": "monitoring",
    "MemoryMonitor": "monitoring",
    "MemoryOptions": "monitoring",
    "MultiLevelCache": "caching",
    "PerfloopError": "exceptions",
    "PerformanceMiddleware": "monitoring",
    "PerformanceMonitor": "monitoring",
    "Policy": "resilience",
    "Registry": "telemetry",
    "Request": "loadtest",
    "RateLimiter": "resilience",
    "Retry": "resilience",
    "Service": "monitoring",
    "Targets": "targets",
    "Timeout": "resilience",
    "WSGIPerformanceMiddleware": "monitoring",
    "cached": "caching",
    "compare": "stats",
    "diagnose": "diagnosis",
    "find_capacity": "loadtest",
    "find_capacity_sync": "loadtest",
    "load_record": "records",
    "save_record": "records",
}

__all__ = [
    "DEFAULT_REGISTRY",
    "Bulkhead",
    "CacheAside",
    "CapacityOptions",
    "CircuitBreaker",
    "CircuitState",
    "Comparison",
    "Deadline",
    "DiagnosisOptions",
    "EntryOptions",
    "Histogram",
    "LeakOptions",
    "LiveMonitor",
    "LoadOptions",
    "LoadTest",
    "LoadTestResult",
    "MemoryLeakDetector",
    "MemoryMonitor",
    "MemoryOptions",
    "MultiLevelCache",
    "PerfloopError",
    "PerformanceMiddleware",
    "PerformanceMonitor",
    "Policy",
    "RateLimiter",
    "Registry",
    "Request",
    "Retry",
    "Service",
    "Targets",
    "Timeout",
    "WSGIPerformanceMiddleware",
    "__version__",
    "cached",
    "compare",
    "diagnose",
    "find_capacity",
    "find_capacity_sync",
    "load_record",
    "save_record",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
