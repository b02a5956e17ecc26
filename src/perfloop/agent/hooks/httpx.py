"""httpx: outgoing HTTP calls, sync and async."""

from __future__ import annotations

from typing import Any

from ..calls import time_method, time_wait
from ..events import UPSTREAM, WAIT_UPSTREAM

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time `send` of both clients."""
    time_method(module.Client, "send", UPSTREAM)
    time_wait(module.AsyncClient, "send", WAIT_UPSTREAM)
