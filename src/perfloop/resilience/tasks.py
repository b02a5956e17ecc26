"""Tasks that end before whoever began them does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Task
    from collections.abc import Iterable

__all__ = ["end"]


async def end(tasks: Iterable[Task[Any]]) -> None:
    """Cancel the tasks and wait until all have ended, however often the caller is cancelled meanwhile.

    Raises:
        CancelledError: the caller was; all have ended.
    """
    tasks = list(tasks)
    cancelled: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while running := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # is nobody's, and need not be logged
    if cancelled is not None:
        raise cancelled
