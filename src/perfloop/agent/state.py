"""The request in hand: which one a thread or coroutine works for, and the segments of running time it is made of.

Hooks ask `current()`; it is a context variable, so child tasks and worker threads inherit it.
"""

from __future__ import annotations

import os
import sys
from array import array
from contextvars import ContextVar
from time import monotonic_ns, process_time_ns, thread_time_ns

from . import LIGHT
from .active import ACTIVE
from .channel import CHANNEL
from .events import STEP, WIDTH
from .originals import _local, get_ident, get_native_id
from .protocol import REQUEST, UNMATCHED
from .tables import TABLES

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["CARRIED_SITE", "CURRENT", "MAX_EVENTS", "Request", "Segment", "close_segment", "open_segment"]

MAX_EVENTS = 4000 * WIDTH
"""A request with more events loses the rest, counted."""
_LONG_STEP = 20_000_000
_NOTICEABLE = 50_000
_LONG_ENOUGH = 200_000
_STALE = 250_000_000
_FRESH = 1_000_000

CURRENT: ContextVar[Any] = ContextVar("perfloop_request", default=None)
"""The request this context works for, or None. It may have ended already: see `Request.live`."""

CARRIED_SITE: dict[int, int] = {}
"""Thread → call site, for threads that run statements on behalf of code elsewhere (aiosqlite's)."""

_MAX_DESCRIPTORS = 64


class _ThreadFacts(_local):
    """What does not change while a thread lives: its kernel number, and the file that counts its time runnable."""

    open_files = 0

    def __init__(self) -> None:
        self.native = get_native_id()
        self.others_at = 0
        self.others = 0
        """CPU time of the process without this thread, at `others_at`; asking each time would be dear."""
        self.cpu = 0
        """CPU time of this thread when a segment last began; in a light agent, at `others_at`."""
        self.read_at = 0
        self.runnable = 0
        self.schedule = -1
        if sys.platform == "linux" and _ThreadFacts.open_files < _MAX_DESCRIPTORS:
            try:
                self.schedule = os.open(f"/proc/self/task/{self.native}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
                _ThreadFacts.open_files += 1
                self.closer = _Closer(self.schedule)
            except OSError:
                pass

    def runnable_since_last(self, now: int) -> int:
        """How long the kernel kept this thread waiting for a processor since the last call, in nanoseconds.

        Reading lets go of the interpreter's lock, so it is done where the time is gone anyway, or seldom.
        """
        self.read_at = now
        if self.schedule < 0:
            return 0
        before, self.runnable = self.runnable, int(os.pread(self.schedule, 64, 0).split()[1])
        return self.runnable - before


class _Closer:
    """Closes a thread's file when the thread, and with it this object, is gone."""

    __slots__ = ("_close", "_descriptor")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._close = os.close

    def __del__(self) -> None:
        try:
            self._close(self._descriptor)
            _ThreadFacts.open_files -= 1
        except Exception:
            # The service closed it first, or the interpreter is ending: it is closed, which is all that is wanted.
            pass


_THREAD = _ThreadFacts()


def _start_over() -> None:
    """In a forked child: the only thread has another kernel number, and nothing runs yet."""
    global _THREAD
    _THREAD = _ThreadFacts()
    ACTIVE.clear()
    CARRIED_SITE.clear()


os.register_at_fork(after_in_child=_start_over)


class Segment:
    """One stretch in which a thread runs a request's code: a step on the loop, or a worker's call."""

    __slots__ = ("depth", "kind", "native", "others_start", "request", "samples", "start", "start_cpu")

    def __init__(self, request: Request, kind: int) -> None:
        self.request = request
        self.kind = kind
        self.depth = 0
        self.samples: dict[int, int] | None = None
        thread = _THREAD
        self.native = thread.native
        self.start = now = monotonic_ns()
        if now - thread.read_at > _STALE:
            thread.runnable_since_last(now)
        if now - thread.others_at > _FRESH:
            thread.others_at = now
            thread.cpu = thread_time_ns()
            thread.others = process_time_ns() - thread.cpu
        elif not LIGHT:
            thread.cpu = thread_time_ns()
        self.start_cpu = thread.cpu
        self.others_start = thread.others


class Request:
    """What one request has recorded so far."""

    __slots__ = (
        "error",
        "events",
        "first_byte",
        "handler",
        "is_async",
        "last_site",
        "last_sql",
        "live",
        "method",
        "repeats",
        "resolver",
        "route",
        "scope",
        "span",
        "started",
        "status",
    )

    def __init__(self, method: str, span: int | None) -> None:
        self.method = method
        self.span = span
        self.events: list[int] = []
        self.first_byte = 0
        self.status = 0
        self.route: str | None = None
        self.handler = 0
        self.is_async = False
        self.live = True
        self.error: str | None = None
        self.scope: Any = None
        self.last_sql: Any = None
        self.last_site = 0
        self.repeats = 0
        """The last statement's text, its call site, and how many times in a row it has come from there."""
        self.resolver: Callable[[Request, bool], None] | None = None
        """Finds route and handler once the framework has routed, for frameworks that leave them in the scope."""
        self.started = monotonic_ns()

    def add(self, kind: int, start: int, duration: int, cpu: int = 0, x: int = 0, y: int = 0, z: int = 0) -> None:
        """Record one event of the calling thread; the numbers are those of `events`."""
        events = self.events
        if len(events) >= MAX_EVENTS:
            CHANNEL.dropped += 1
            return
        events += (kind, get_ident(), start, duration, cpu, x, y, z)

    def resolve_route(self, final: bool = False) -> str | None:
        """The route template, as far as it is known by now; `final`: nothing more will be known."""
        if self.route is None and self.resolver is not None:
            try:
                self.resolver(self, final)
            except Exception as error:
                CHANNEL.hook_failed("route", error)
        return self.route

    def finish(self, ended: int = 0) -> None:
        """The last byte is out: send the record. Further calls do nothing."""
        if self.started == 0:
            return
        try:
            self._finish(ended)
        except Exception as error:
            self.started = 0
            CHANNEL.hook_failed("request", error)

    def _finish(self, ended: int) -> None:
        now = monotonic_ns()
        segment = ACTIVE.get(get_ident())
        if segment is not None and segment.request is self:
            _record_segment(segment, now, False)
        self.live = False
        route = self.resolve_route(final=True)
        # What the scope holds may hold us: no cycle is left for the collector.
        self.scope = self.resolver = None
        started, self.started = self.started, 0
        span = self.span
        flags = (1 if span is not None else 0) | (2 if self.is_async else 0)
        if span is not None and span >= 1 << 63:
            span -= 1 << 64
        head = (
            started,
            self.first_byte or 0,
            ended or now,
            span or 0,
            TABLES.texts.number(self.method),
            TABLES.texts.number(route or UNMATCHED),
            self.status,
            flags,
            self.handler,
            TABLES.texts.number(self.error) if self.error else 0,
        )
        record = array("q", head)
        record.fromlist(self.events)
        CHANNEL.put(REQUEST, record.tobytes())


def open_segment(request: Request, kind: int) -> Segment | None:
    """Start a segment on this thread; None when one is running already (an eager task inside a step)."""
    try:
        ident = get_ident()
        if ident in ACTIVE:
            return None
        segment = ACTIVE[ident] = Segment(request, kind)
    except Exception as error:
        CHANNEL.hook_failed("segment", error)
        return None
    return segment


def close_segment(segment: Segment, ready: bool = False) -> None:
    """End this thread's segment and record it, unless its request has ended meanwhile."""
    try:
        del ACTIVE[get_ident()]
        if segment.request.started:
            _record_segment(segment, monotonic_ns(), ready)
    except Exception as error:
        CHANNEL.hook_failed("segment", error)


def _record_segment(segment: Segment, now: int, ready: bool) -> None:
    wall = now - segment.start
    others = 0
    if LIGHT and wall < _FRESH:
        # The thread's clock is half of what a step costs: what is this short counts as computing.
        cpu = wall
    else:
        spent = thread_time_ns()
        cpu = min(spent - segment.start_cpu, wall) if LIGHT else spent - segment.start_cpu
        if wall - cpu > _NOTICEABLE:
            others = process_time_ns() - spent - segment.others_start
            if wall - cpu > _LONG_ENOUGH:
                others += _THREAD.runnable_since_last(now)
    request = segment.request
    events = request.events
    if len(events) >= MAX_EVENTS:
        CHANNEL.dropped += 1
    else:
        events += (segment.kind, get_ident(), segment.start, wall, cpu, others, 1 if ready else 0, 0)
    if segment.kind == STEP:
        LOOP_TIME.wall += wall
        LOOP_TIME.cpu += cpu
        if wall > _LONG_STEP:
            stack = max(segment.samples, key=segment.samples.__getitem__) if segment.samples else 0
            route = request.resolve_route()
            CHANNEL.put_long_step(segment.start, wall, cpu, stack, TABLES.texts.number(route) if route else 0)


class _LoopTime:
    """Time the event loop spent in steps of requests, so that the lag timer can tell what else held it."""

    __slots__ = ("cpu", "wall")

    def __init__(self) -> None:
        self.wall = 0
        self.cpu = 0


LOOP_TIME = _LoopTime()
