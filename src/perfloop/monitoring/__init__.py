"""Watching services: from inside one, and started with the agent inside.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alerts import Alert, Alerts, ExitHook, HookChannel, LogChannel, WebhookChannel
    from .memory import (
        LeakEvidence,
        LeakOptions,
        LeakReport,
        LeakRule,
        LeakVerdict,
        MemoryLeakDetector,
        MemoryMonitor,
        MemoryOptions,
        MemorySample,
    )
    from .objectives import Objective, ObjectiveMonitor
    from .observations import (
        PARTS,
        Explain,
        Frame,
        GcPause,
        LongStep,
        Observations,
        ProcessInfo,
        RequestTrace,
        ResourceSample,
        Stack,
        StatementCall,
    )
    from .performance_monitor import PerformanceMonitor, RequestStats
    from .requests import (
        PerformanceMiddleware,
        SlowRequest,
        WSGIPerformanceMiddleware,
        requests_in_flight,
        slow_requests,
    )
    from .resources import ResourceMonitor, Use
    from .service import Service

_HOMES = {
    "PARTS": "observations",
    "Alert": "alerts",
    "Alerts": "alerts",
    "ExitHook": "alerts",
    "Explain": "observations",
    "Frame": "observations",
    "GcPause": "observations",
    "HookChannel": "alerts",
    "LeakEvidence": "memory",
    "LeakOptions": "memory",
    "LeakReport": "memory",
    "LeakRule": "memory",
    "LeakVerdict": "memory",
    "LogChannel": "alerts",
    "LongStep": "observations",
    "MemoryLeakDetector": "memory",
    "MemoryMonitor": "memory",
    "MemoryOptions": "memory",
    "MemorySample": "memory",
    "Objective": "objectives",
    "ObjectiveMonitor": "objectives",
    "Observations": "observations",
    "PerformanceMiddleware": "requests",
    "PerformanceMonitor": "performance_monitor",
    "ProcessInfo": "observations",
    "RequestStats": "performance_monitor",
    "RequestTrace": "observations",
    "ResourceMonitor": "resources",
    "ResourceSample": "observations",
    "Service": "service",
    "SlowRequest": "requests",
    "Stack": "observations",
    "StatementCall": "observations",
    "Use": "resources",
    "WSGIPerformanceMiddleware": "requests",
    "WebhookChannel": "alerts",
    "requests_in_flight": "requests",
    "slow_requests": "requests",
}

__all__ = [
    "PARTS",
    "Alert",
    "Alerts",
    "ExitHook",
    "Explain",
    "Frame",
    "GcPause",
    "HookChannel",
    "LeakEvidence",
    "LeakOptions",
    "LeakReport",
    "LeakRule",
    "LeakVerdict",
    "LogChannel",
    "LongStep",
    "MemoryLeakDetector",
    "MemoryMonitor",
    "MemoryOptions",
    "MemorySample",
    "Objective",
    "ObjectiveMonitor",
    "Observations",
    "PerformanceMiddleware",
    "PerformanceMonitor",
    "ProcessInfo",
    "RequestStats",
    "RequestTrace",
    "ResourceMonitor",
    "ResourceSample",
    "Service",
    "SlowRequest",
    "Stack",
    "StatementCall",
    "Use",
    "WSGIPerformanceMiddleware",
    "WebhookChannel",
    "requests_in_flight",
    "slow_requests",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{home}", __name__), name)
