"""subprocess: waiting for a child is blocking."""

from __future__ import annotations

from ..calls import time_method
from ..events import BLOCKING

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time starting a child, waiting for it and talking to it."""
    for name in ("_execute_child", "wait", "communicate"):
        time_method(module.Popen, name, BLOCKING)
