"""Watching services: started with the agent inside, and what the agent saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from .service import Service

__all__ = [
    "PARTS",
    "Explain",
    "Frame",
    "GcPause",
    "LongStep",
    "Observations",
    "ProcessInfo",
    "RequestTrace",
    "ResourceSample",
    "Service",
    "Stack",
    "StatementCall",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module(".service" if name == "Service" else ".observations", __name__)
    return getattr(module, name)
