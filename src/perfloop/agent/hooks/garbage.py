"""The garbage collector: each pause, and whose request it fell into."""

from __future__ import annotations

from time import monotonic_ns

from ..active import ACTIVE
from ..channel import CHANNEL
from ..events import GC
from ..originals import get_ident

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["apply"]

_MIN_NS = 20_000
"""Collections shorter than this are not worth a record."""

_started: dict[int, int] = {}


def apply(module: Any) -> None:
    """Register the collector's callback. It takes no lock: a collection may start anywhere, also in the agent."""

    def pause(phase: str, info: dict[str, int]) -> None:
        try:
            thread = get_ident()
            if phase == "start":
                if CHANNEL.open:
                    _started[thread] = monotonic_ns()
                return
            start = _started.pop(thread, None)
            if start is None:
                return
            duration = monotonic_ns() - start
            if duration < _MIN_NS:
                return
            segment = ACTIVE.get(thread)
            if segment is not None and not segment.depth and segment.request.live:
                segment.request.add(GC, start, duration, duration)
            CHANNEL.put_gc_pause(start, duration, info.get("generation", 0))
        except Exception as error:
            CHANNEL.hook_failed("gc", error)

    module.callbacks.append(pause)
