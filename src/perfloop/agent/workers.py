"""A request's work on another thread: how long it waited for the thread, and what it did there."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any

from .events import THREAD, WAIT_WORKER
from .state import CURRENT, Request, close_segment, open_segment

__all__ = ["Job"]


class Job:
    """A function that runs on a worker thread for a request. It looks like the function otherwise."""

    __slots__ = ("__wrapped__", "queued", "request")

    def __init__(self, request: Request, function: Any) -> None:
        self.request = request
        self.__wrapped__ = function
        self.queued = monotonic_ns()

    def __call__(self, *args: Any, **options: Any) -> Any:
        request = self.request
        if not request.live:
            return self.__wrapped__(*args, **options)
        segment = open_segment(request, THREAD)
        if segment is None:
            return self.__wrapped__(*args, **options)
        request.add(WAIT_WORKER, self.queued, segment.start - self.queued)
        token = CURRENT.set(request)
        try:
            return self.__wrapped__(*args, **options)
        finally:
            CURRENT.reset(token)
            close_segment(segment)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)
