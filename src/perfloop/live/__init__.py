"""The live page of a service: served by `perfloop monitor`, or mounted in the service as `LiveMonitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import LiveMonitor

__all__ = ["LiveMonitor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .app import LiveMonitor

    return LiveMonitor
