"""The running segment of each thread that works for a request. A module of its own: nothing is imported for it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .state import Segment

__all__ = ["ACTIVE"]

ACTIVE: dict[int, Segment] = {}
"""By thread identifier; for the sampler, the collector's callback and instrumented calls, which have no context."""
