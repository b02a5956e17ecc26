"""Where a request's time went, from the agent: the one that was injected, or its hooks of client libraries alone.

Injected (`perfloop diagnose`, `perfloop monitor`), the agent accounts for the whole of a request. Without it the
middleware applies the hooks that cost nothing until a library is called: statements, upstream calls, waits for
connections and threads are known then, and on threads of a WSGI server what was on the processor; the rest of an ASGI
request counts as unaccounted. A call of a hooked library costs some microseconds more (a statement of sqlite3: 3).
"""

from __future__ import annotations

import sys
from threading import RLock
from time import monotonic_ns, thread_time_ns
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ...agent.accounting import account
from ...agent.events import STATEMENT, THREAD, WAIT_STATEMENT, WIDTH
from .exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LIGHT_HOOKS", "LoopTrace", "ThreadTrace", "begin_thread_trace", "begin_trace"]

LIGHT_HOOKS = (
    "aiohttp.client",
    "aiosqlite.core",
    "anyio.to_thread",
    "asyncpg.connection",
    "asyncpg.cursor",
    "asyncpg.pool",
    "asyncpg.prepared_stmt",
    "http.client",
    "httpx._client",
    "psycopg._server_cursor",
    "psycopg._server_cursor_async",
    "psycopg.connection",
    "psycopg.connection_async",
    "psycopg.cursor",
    "psycopg.cursor_async",
    "psycopg.transaction",
    "sqlalchemy.util.queue",
    "sqlite3.dbapi2",
    "urllib3.connection",
)
"""The modules whose hooks the middleware applies itself: none of the event loop, of sockets or of frameworks."""

_INJECTED = "_perfloop_agent"
_LOCK = RLock()
_applied = False


class ThreadTrace(Protocol):
    """What the agent knows of a request which has a thread while it runs."""

    live: bool
    """False once the request is over: what its tasks and threads still do is their own."""

    def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
        """Seconds by part between two moments of the monotonic clock, and the count of statements."""

    def leave(self) -> None:
        """The thread goes on to other things."""

    def resume(self) -> None:
        """This thread goes on with the request."""


class LoopTrace(Exchange):
    """An exchange on an event loop that is its own trace: one object a request, made without a call of Python.

    What hooks write down is made when one asks for the first time: most requests are never asked. Its class is the same
    without hooks: what has to do with two is slower.
    """

    __slots__ = ("events", "injected", "last_site", "last_sql", "repeats")

    events: list[int]
    injected: _InjectedTrace
    last_sql: Any
    last_site: int
    repeats: int
    add: ClassVar[Callable[..., None]]
    """The agent's `Request.add`, from when the hooks are applied."""

    @property
    def live(self) -> bool:
        """False once the request is over, and `started` 0: what its tasks and threads still do is their own."""
        if not self.started:
            return False
        if not hasattr(self, "events"):
            self.last_sql = None
            self.last_site = self.repeats = 0
            self.events = []
        return True

    def ask_injected(self) -> None:
        """The request is the injected agent's."""
        self.injected = _begin_injected()

    def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
        """As that of `ThreadTrace`."""
        if hasattr(self, "injected"):
            return self.injected.breakdown(started, ended)
        return _parts(getattr(self, "events", []), started, ended)


def begin_trace() -> Callable[[LoopTrace], object]:
    """What begins the trace of a request of this context; hooks are applied without injected agent."""
    return LoopTrace.ask_injected if _INJECTED in sys.modules else _on_loops()


def begin_thread_trace() -> Callable[[], ThreadTrace]:
    """As `begin_trace`, for servers that give a request a thread: its processor time tells computing from waiting."""
    return _begin_injected if _INJECTED in sys.modules else _on_threads()


def _apply_hooks() -> None:
    global _applied
    from ...agent import imports
    from ...agent.explain import Explainer
    from ...agent.hooks import HOOKS

    with _LOCK:
        if _applied:
            return
        _applied = True
        Explainer.wanted = False
        module, package = sys.modules.get("sqlite3.dbapi2"), sys.modules.get("sqlite3")
        before = vars(module).copy() if module is not None else {}
        imports.install({name: HOOKS[name] for name in LIGHT_HOOKS})
        if module is not None and package is not None:
            # The package took its names from the module when it was imported.
            for name in ("Connection", "Cursor", "connect"):
                if getattr(package, name) is before[name]:
                    setattr(package, name, getattr(module, name))


class _InjectedTrace:
    """The request of the agent that was there first, which begins and ends its requests itself."""

    __slots__ = ("_request", "live")

    def begin(self) -> _InjectedTrace:
        self._request: Any = _injected("state").CURRENT.get()
        self.live = True
        return self

    def leave(self) -> None:
        pass

    resume = leave

    def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
        request = self._request
        if request is None:
            return {}, 0
        events = list(request.events)
        thread = _injected("originals").get_ident()
        segment = _injected("active").ACTIVE.get(thread)
        if request.started and segment is not None and segment.request is request:
            # It is not over yet.
            wall = monotonic_ns() - segment.start
            cpu = min(thread_time_ns() - segment.start_cpu, wall)
            events += (segment.kind, thread, segment.start, wall, cpu, 0, 0, 0)
        return _parts(events, started, ended)


def _begin_injected() -> _InjectedTrace:
    return _InjectedTrace().begin()


def _injected(module: str) -> Any:
    return sys.modules[f"{_INJECTED}.{module}"]


def _on_loops() -> Callable[[LoopTrace], object]:
    """Traces on an event loop: what the hooks see, and no step of the loop."""
    from ...agent.state import CURRENT, Request

    LoopTrace.add = Request.add
    _apply_hooks()
    return CURRENT.set


def _on_threads() -> Callable[[], ThreadTrace]:
    """Traces on threads: what the hooks see, and segments of the thread's own."""
    from ...agent.state import CURRENT, Request, Segment, close_segment, open_segment

    class ThreadRequest(Request):
        __slots__ = ("segment",)

        def __init__(self) -> None:
            super().__init__("", None)
            self.segment: Segment | None = None
            self.resume()

        def leave(self) -> None:
            segment, self.segment = self.segment, None
            if segment is not None:
                close_segment(segment)
                CURRENT.set(None)

        def resume(self) -> None:
            CURRENT.set(self)
            self.segment = open_segment(self, THREAD)

        def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
            return _parts(self.events, started, ended)

    _apply_hooks()
    return ThreadRequest


def _parts(events: list[int], started: float, ended: float) -> tuple[dict[str, float], int]:
    parts = account(int(started * 1e9), int(ended * 1e9), events)
    statements = sum(kind in (STATEMENT, WAIT_STATEMENT) for kind in events[::WIDTH])
    return {part: spent / 1e9 for part, spent in parts.items() if spent}, statements
