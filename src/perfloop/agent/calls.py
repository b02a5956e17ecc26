"""Instrumented calls inside a segment: the outermost one counts, at two clock reads each."""

from __future__ import annotations

from time import monotonic_ns, thread_time_ns

from .active import ACTIVE
from .originals import get_ident
from .state import CURRENT, Segment

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["begin_call", "end_call", "time_method", "time_wait"]


def begin_call() -> tuple[Segment, int, int] | None:
    """Mark the start of an outermost instrumented call; None outside requests and inside another such call."""
    segment = ACTIVE.get(get_ident())
    if segment is None or segment.depth or not segment.request.live:
        return None
    segment.depth = 1
    return segment, thread_time_ns(), monotonic_ns()


def end_call(mark: tuple[Segment, int, int], kind: int, least: int = 0) -> None:
    """Record the call that `begin_call` marked, unless it took less than `least` nanoseconds."""
    segment, cpu, start = mark
    segment.depth = 0
    duration = monotonic_ns() - start
    if duration >= least:
        segment.request.add(kind, start, duration, thread_time_ns() - cpu)


def time_method(owner: Any, name: str, kind: int, least: int = 0) -> None:
    """Replace a method of a class by one that times it; a class without the method stays as it is."""
    method = getattr(owner, name, None)
    if method is None:
        return

    def timed(self: Any, *args: Any, **options: Any) -> Any:
        mark = begin_call()
        if mark is None:
            return method(self, *args, **options)
        try:
            return method(self, *args, **options)
        finally:
            end_call(mark, kind, least)

    timed.__name__ = name
    timed.__qualname__ = getattr(method, "__qualname__", name)
    timed.__doc__ = method.__doc__
    timed.__wrapped__ = method  # type: ignore[attr-defined]
    setattr(owner, name, timed)


def time_wait(owner: Any, name: str, kind: int) -> None:
    """Replace a coroutine method of a class by one that records how long it was awaited."""
    method = getattr(owner, name, None)
    if method is None:
        return

    async def timed(self: Any, *args: Any, **options: Any) -> Any:
        request = CURRENT.get()
        if request is None or not request.live:
            return await method(self, *args, **options)
        start = monotonic_ns()
        try:
            return await method(self, *args, **options)
        finally:
            request.add(kind, start, monotonic_ns() - start)

    timed.__name__ = name
    timed.__qualname__ = getattr(method, "__qualname__", name)
    timed.__doc__ = method.__doc__
    timed.__wrapped__ = method  # type: ignore[attr-defined]
    setattr(owner, name, timed)
