"""How important the work of this thread or task is: read where a call has to wait or may be turned away."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from ..exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PRIORITY", "priority"]

PRIORITY: Final[ContextVar[int]] = ContextVar("perfloop_priority", default=0)
"""Higher is more important. Tasks and `asyncio.to_thread` take it over, as they do every context variable."""


@contextlib.contextmanager
def priority(value: int) -> Iterator[None]:
    """For the block: `with priority(10): await bulkhead.aexecute(…)`. 0 is what everything has.

    Raises:
        InvalidValue: no whole number.
    """
    if not isinstance(value, int):
        raise InvalidValue("Expected a whole number, such as a Criticality", got=value, where="priority")
    token = PRIORITY.set(value)
    try:
        yield
    finally:
        PRIORITY.reset(token)
