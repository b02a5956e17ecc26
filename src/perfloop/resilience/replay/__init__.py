"""Outcomes recorded in production, and other settings tried on them.

from perfloop.resilience.replay import OutcomeRecorder

recorder = OutcomeRecorder("/var/lib/shop/outcomes", name="payments")
policy.on_outcome(recorder.record)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .breaker_settings import BREAKER_SETTINGS
    from .grid import replay
    from .outages import Outage, find_outages, given_outage
    from .outcomes import Outcomes, read_outcomes
    from .recorder import OutcomeRecorder

__all__ = [
    "BREAKER_SETTINGS",
    "Outage",
    "OutcomeRecorder",
    "Outcomes",
    "find_outages",
    "given_outage",
    "read_outcomes",
    "replay",
]

_HOMES = {
    "BREAKER_SETTINGS": "breaker_settings",
    "Outage": "outages",
    "OutcomeRecorder": "recorder",
    "Outcomes": "outcomes",
    "find_outages": "outages",
    "given_outage": "outages",
    "read_outcomes": "outcomes",
    "replay": "grid",
}


def __getattr__(name: str) -> Any:
    # Lazily: a service that records needs no numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
