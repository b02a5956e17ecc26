"""The live page as an ASGI application, mounted in the service that it shows."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil

from ..http_access import TokenAccess
from ..http_server import Request, Response
from ..monitoring.live import Memory
from ..monitoring.requests import slow_requests
from ..monitoring.requests.routes import NOTES
from ..telemetry import DEFAULT_REGISTRY
from ..telemetry.caches import abouts, counts_of
from ..telemetry.exporters.asgi import answer_lifespan
from ..telemetry.resilience import transitions, values_of
from .page import LivePage, event_of
from .registry_feed import RegistryFeed
from .token import TOKEN_VARIABLE, checked_token
from .watching import Readings, recorder_of_this_machine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from ..monitoring import ObjectiveMonitor
    from ..monitoring.memory import MemoryLeakDetector
    from ..targets import Targets
    from ..telemetry import Registry

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

__all__ = ["LiveMonitor"]

_EVERY = 0.4
_RETRY_MS = 500
_MOST_MOUNTS = 10
_ALONE = "Of process {} alone; workers that share a directory PERFLOOP_METRICS_DIR are shown together"


class LiveMonitor:
    """The live page of the service it is mounted in, fed by `PerformanceMiddleware`.

        app.add_middleware(PerformanceMiddleware)
        app.mount("/perfloop", LiveMonitor(token=os.environ["MONITOR_TOKEN"]))

    Open `/perfloop/?token=…`. Nothing is done while nobody watches, and nothing per request ever: twice a second while
    somebody does, the metrics of requests are read in a thread. Figures begin with the first look. Each event is an
    answer of its own, after which the browser asks again: a stream that stays open would keep a server from ending.
    All workers are shown where they share `PERFLOOP_METRICS_DIR`, else the one that answers, which the page says.
    """

    def __init__(
        self,
        *,
        token: str | None = None,
        title: str = "This service",
        registry: Registry = DEFAULT_REGISTRY,
        targets: Targets | None = None,
        leak_detector: MemoryLeakDetector | None = None,
        objectives: ObjectiveMonitor | None = None,
    ) -> None:
        """The application.

        Args:
            token: what viewers have to show, 16 or more letters, digits, `-` and `_`; by default the environment
                variable PERFLOOP_MONITOR_TOKEN.
            title: what the page is headed.
            registry: the one that the middleware publishes to.
            targets: what the service should achieve; by default those of `objectives`, else the usual ones.
            leak_detector: whose verdict is shown.
            objectives: whose burn rates and alerts are shown: error budgets are of hours, whether somebody watches or
                not.

        Raises:
            ConfigurationError: there is no token.
            InvalidValue: one that can be guessed.
        """
        self._page = LivePage(
            TokenAccess(checked_token(token or os.environ.get(TOKEN_VARIABLE))),
            event=lambda: self._written,
            find=lambda span: self._recorder.find(span),
            retry_ms=_RETRY_MS,
        )
        self._registry = registry
        self._leak_detector = leak_detector
        self._mounts: set[str] = set()
        if targets is None and objectives is not None:
            targets = objectives.targets
        self._objectives = objectives
        self._recorder = recorder_of_this_machine(title, targets)
        self._readings = Readings(self._recorder)
        self._feed = RegistryFeed(self._recorder, hidden=self._is_ours)
        self._lock = threading.Lock()
        self._looking = False
        self._looked = 0.0
        self._written = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            return
        request = _request(scope)
        self._note(scope)
        response = self._page.answer(request)
        if response.status == 200 and request.path != "/":
            await asyncio.to_thread(self._look)
            response = self._page.answer(request)
        await _respond(send, response)

    def _note(self, scope: Scope) -> None:
        """Have the middleware count this under a route of its own, which the page leaves out."""
        mount = scope.get("root_path", "")
        if len(self._mounts) < _MOST_MOUNTS:
            self._mounts.add(mount)
        notes = scope.get(NOTES)
        if notes is not None:
            notes.append(f"{mount}/{{path}}")

    def _is_ours(self, route: str) -> bool:
        return any(route == f"{mount}/{{path}}" for mount in self._mounts)

    def _look(self) -> None:
        """Bring the figures up to date, unless somebody else does or has just done so."""
        with self._lock:
            now = time.monotonic()
            if self._looking or now - self._looked < _EVERY:
                return
            self._looking = True
        try:
            self._read(now)
        finally:
            with self._lock:
                self._looking, self._looked = False, now

    def _read(self, now: float) -> None:
        families = self._registry.collect_all()
        self._feed.look(families, slow_requests(self._registry), now, time.time() - now)
        self._recorder.set_caches(counts_of(families), abouts(), now)
        self._recorder.set_parts(values_of(families), transitions(self._registry), now)
        own = psutil.Process()
        pids = [own.pid, *(child.pid for child in own.children(recursive=True)), *self._registry.processes()]
        self._readings.read(list(dict.fromkeys(pids)), now)
        if self._objectives is not None:
            self._recorder.set_objectives(self._objectives.objectives(), self._objectives.alerts())
        if self._leak_detector is not None:
            verdict = self._leak_detector.verdict
            self._recorder.set_memory(
                Memory(kind=verdict.kind, leaking=verdict.leaking, reason=verdict.reason, pid=own.pid)
            )
        alone = [] if self._registry.shared else [_ALONE.format(own.pid)]
        self._written = event_of(self._recorder.state(time.monotonic(), notes=alone))


def _request(scope: Scope) -> Request:
    """The head of a request as the page reads it, its path below the mount."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path, root = scope["path"], scope.get("root_path", "")
    if root and path.startswith(root):
        path = path[len(root) :]
    return Request(scope["method"], path or "/", headers, scope.get("query_string", b"").decode("latin-1"))


async def _respond(send: Send, response: Response) -> None:
    fields = [("content-type", response.content_type), ("content-length", str(len(response.body))), *response.headers]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
