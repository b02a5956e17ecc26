"""The middleware for ASGI applications: Starlette, FastAPI, Litestar, Django, Falcon and those without a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clock import MONOTONIC
from ...telemetry import DEFAULT_REGISTRY
from .breakdown import begin_trace
from .exchange import Exchange, status_code
from .routes import NOTES, UNMATCHED, ScopeRoutes, note_routes
from .server_timing import SERVER_TIMING, server_timing
from .tally import FULL, NOTEWORTHY_AFTER
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .access_log import AccessFormat
    from .breakdown import Trace
    from .slow import SlowRequest

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    # Any: each framework has its own types for them.
    Application = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["PerformanceMiddleware"]

_HIGH_WATER = 65_536
"""Beyond so many bytes a server makes the application wait for its client: the last byte is out when `send` returns."""


class PerformanceMiddleware:
    """Counts and times every HTTP request of an ASGI application; websockets and lifespan pass untouched.

        app.add_middleware(PerformanceMiddleware)       # Starlette, FastAPI
        app = PerformanceMiddleware(app)                # any ASGI application

    What it measures is published through `perfloop.telemetry` (see docs/monitoring.md). Of two middlewares round one
    application the outer one counts. It raises nothing of its own into a request.
    """

    def __init__(
        self,
        app: Application,
        *,
        registry: Registry = DEFAULT_REGISTRY,
        slow_threshold: float = 1.0,
        access_log: bool | AccessFormat = False,
        server_timing: bool | Callable[[Mapping[str, Any]], bool] = False,
        route: Callable[[Mapping[str, Any]], str | None] | None = None,
        breakdown: bool = True,
        clock: Clock = MONOTONIC,
    ) -> None:
        """Wrap `app`.

        Args:
            app: the application.
            registry: where the metrics are published.
            slow_threshold: seconds; a request that takes as long is logged as a warning of `perfloop.slow` and kept for
                `slow_requests`. `math.inf` warns of none.
            access_log: log every request to `perfloop.access`: True or "text", or "json".
            server_timing: add a `Server-Timing` header, which shows every client how long the service took: always, or
                for the requests whose scope this function answers True to.
            route: gives a request's route template from its scope, asked when it is over; for frameworks that are not
                known. None or empty: as without it. It must not answer with the raw path.
            breakdown: see where a slow request's time went: statements, upstream calls, waits for connections and
                threads. Needs the client libraries to be hooked, once per process; False leaves them alone.
            clock: gives the moments.

        Raises:
            InvalidValue: a threshold that is not positive, an unknown format of the access log.
            ConfigurationError: the registry has one of the metrics' names as something else.
        """
        self.app = app
        self._server_timing = server_timing
        self._watch = watch = Watch(registry, slow_threshold, access_log, route, clock)
        self._begin_trace = begin_trace() if breakdown else None
        self._now = watch.now
        self._active = watch.tally.active
        self._series = watch.tally.series
        self._slow_threshold = slow_threshold
        self._logs = watch.access_log is not None
        self._routes = ScopeRoutes(app)
        note_routes(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] != "http" or NOTES in scope:
            await self.app(scope, receive, send)
            return
        notes: list[str] = []
        scope[NOTES] = notes
        begin = self._begin_trace
        trace = None if begin is None else begin()
        make = self._exchange_for(scope) if self._server_timing else _AsgiExchange
        exchange = make(self._now, receive, send)
        active = self._active
        active.add(exchange)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.raised = type(error)
            raise
        finally:
            active.discard(exchange)
            try:
                ended = self._now()
                scope.pop(NOTES, None)
                if notes or self._watch.route is not None:
                    route = self._noted(scope, notes)
                elif "route" in scope or "endpoint" in scope or "path_template" in scope:
                    route = self._routes.of(scope)
                else:
                    route = UNMATCHED
                # What most requests come to, without a call: amid the code of a service each costs half a microsecond.
                status, first, last, started = exchange.status, exchange.first, exchange.last, exchange.started
                if (
                    started <= first <= last
                    and 0 < status < 500
                    and exchange.raised is None
                    and not exchange.disconnected
                    and not exchange.received
                    and ended - last < NOTEWORTHY_AFTER
                    and last - started < self._slow_threshold
                    and (series := self._series.get((scope["method"], route, status, ""))) is not None
                    and series.in_batches
                ):
                    pending = series.pending
                    pending += (last - started, first - started, exchange.sent)
                    if len(pending) >= FULL:
                        series.settle(wait=False)
                    if self._logs:
                        self._watch.report(exchange, scope["method"], route, last - started, ended, trace, scope)
                else:
                    self._end(scope, route, exchange, ended, trace)
                if trace is not None:
                    trace.live = False
            except Exception:
                self._watch.tally.failures.inc()

    def slow_requests(self) -> list[SlowRequest]:
        """The last 100 slow requests of all middlewares with this registry, the newest first; from any thread."""
        return self._watch.tally.slow_requests()

    def _exchange_for(self, scope: Scope) -> type[_AsgiExchange]:
        return _TimedExchange if self._watch.wants_server_timing(self._server_timing, scope) else _AsgiExchange

    def _noted(self, scope: Scope, notes: list[str]) -> str:
        """The template that the option `route` says, or that the application noted."""
        said = None if self._watch.route is None else self._watch.route(scope)
        return str(said) if said else notes[-1] if notes else self._routes.of(scope)

    def _end(self, scope: Scope, route: str, exchange: _AsgiExchange, ended: float, trace: Trace | None) -> None:
        watch, method = self._watch, scope["method"]
        duration = watch.tally.record(exchange, method, route, ended)
        if self._logs or duration >= self._slow_threshold:
            watch.report(exchange, method, route, duration, ended, trace, scope)


class _AsgiExchange(Exchange):
    """An exchange between application and server: its `receive` and `send` pass messages on and take notes."""

    __slots__ = ("_now", "_receive", "_send")

    def __init__(self, now: Callable[[], float], receive: Receive, send: Send) -> None:
        # As Exchange.__init__, without the call.
        self.status = 0
        self.first = self.last = 0.0
        self.received = self.sent = 0
        self.disconnected = False
        self.raised = None
        self._now = now
        self._receive = receive
        self._send = send
        self.started = now()

    async def receive(self) -> Message:
        message = await self._receive()
        kind = message["type"]
        if kind == "http.request":
            self.received += len(message.get("body") or b"")
        elif kind == "http.disconnect" and not self.last:
            self.disconnected = True
        return message

    # A plain function that hands on the server's awaitable: a coroutine in between would cost more than all the rest.
    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        if kind == "http.response.body":
            if not self.last:
                self.sent += len(message.get("body") or b"")
                if not message.get("more_body"):
                    if self.sent > _HIGH_WATER:
                        return self._send_last(message)
                    self.last = self._now()
        elif kind == "http.response.start":
            if not self.status:
                status = message["status"]
                self.status = status if type(status) is int else status_code(status)
                self.first = self._now()
        elif not self.last:
            return self._send_file(kind, message)
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        await self._send(message)
        self.last = self._now()

    def _send_file(self, kind: str, message: Message) -> Awaitable[None]:
        """The extensions by which the server sends a file itself."""
        if kind == "http.response.zerocopysend":
            self.sent += message.get("count") or 0
            if not message.get("more_body"):
                return self._send_last(message)
        elif kind == "http.response.pathsend":
            return self._send_last(message)
        return self._send(message)


class _TimedExchange(_AsgiExchange):
    """One that adds `Server-Timing` to the response's head."""

    __slots__ = ()

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start" and not self.status:
            value = server_timing(self._now() - self.started)
            headers = [*message.get("headers", ()), (SERVER_TIMING.lower().encode(), value.encode())]
            message = {**message, "headers": headers}
        return super().send(message)
