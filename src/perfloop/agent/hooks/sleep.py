"""time.sleep: blocking, on the loop or on a worker."""

from __future__ import annotations

from typing import Any

from ..calls import TimedFunction
from ..events import BLOCKING

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Replace time.sleep by a callable that times it."""
    module.sleep = TimedFunction(module.sleep, BLOCKING)
