"""anyio's worker threads, which run the sync handlers of Starlette and FastAPI."""

from __future__ import annotations

from typing import Any

from ..state import CURRENT
from ..workers import Job

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Time the wait for a thread and the work on it."""
    run_sync = module.run_sync

    async def traced_run_sync(func: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is not None and request.live:
            func = Job(request, func)
        return await run_sync(func, *args, **options)

    traced_run_sync.__doc__ = run_sync.__doc__
    traced_run_sync.__wrapped__ = run_sync  # type: ignore[attr-defined]
    module.run_sync = traced_run_sync
