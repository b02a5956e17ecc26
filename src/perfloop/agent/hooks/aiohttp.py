"""aiohttp's client: outgoing HTTP calls."""

from __future__ import annotations

from typing import Any

from ..calls import time_wait
from ..events import WAIT_UPSTREAM

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time the request up to the response's headers."""
    time_wait(module.ClientSession, "_request", WAIT_UPSTREAM)
