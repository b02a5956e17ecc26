"""SQLAlchemy's connection pool: waiting for a connection to come back."""

from __future__ import annotations

from typing import Any

from ..calls import time_method
from ..events import POOL

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time taking from the pool's queue; an entry that lies ready costs next to nothing."""
    time_method(module.Queue, "get", POOL, least=20_000)
    _hook_async(module.AsyncAdaptedQueue)


def _hook_async(queue: Any) -> None:
    from time import monotonic_ns

    from ..events import WAIT_POOL
    from ..state import CURRENT

    get = queue.get

    def timed_get(self: Any, *args: Any, **options: Any) -> Any:
        # It suspends the greenlet meanwhile: a wait, not a call on the thread.
        request = CURRENT.get()
        if request is None or not request.live:
            return get(self, *args, **options)
        start = monotonic_ns()
        try:
            return get(self, *args, **options)
        finally:
            duration = monotonic_ns() - start
            if duration > 50_000:
                request.add(WAIT_POOL, start, duration)

    queue.get = timed_get
