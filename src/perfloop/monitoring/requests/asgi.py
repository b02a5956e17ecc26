"""The middleware for ASGI applications: Starlette, FastAPI, Litestar, Django, Falcon and those without a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clock import MONOTONIC
from ...telemetry import DEFAULT_REGISTRY
from .breakdown import LoopTrace, begin_trace
from .exchange import SERVER_ERROR, status_code
from .routes import NOTES, ScopeRoutes, included_route, note_routes
from .server_timing import SERVER_TIMING, server_timing
from .tally import METHODS, NOTEWORTHY_AFTER
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .access_log import AccessFormat
    from .slow import SlowRequest
    from .tally import Series

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    # Any: each framework has its own types for them.
    Application = Callable[[Any, Any, Any], Awaitable[None]]

__all__ = ["PerformanceMiddleware"]

_KEPT = 10_000
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
        self._watch = watch = Watch(registry, slow_threshold, access_log, route, clock, breakdown=breakdown)
        # One look for four costs less than four looks.
        self._parts = (
            None if server_timing else _AsgiExchange,
            begin_trace() if breakdown else None,
            watch.now,
            watch.tally.active,
        )
        self._slow_threshold = slow_threshold
        self._logs = watch.access_log is not None
        self._routes = ScopeRoutes(app)
        self._known: dict[tuple[int, str, int], Series] = {}
        """Series by the identity of the route object, method and status, where these alone say it."""
        self._kept: list[Any] = []
        """Those routes, so that their identities stay their own."""
        note_routes(app)

    # Amid the code of a service, whose caches are cold for it, each step costs several times what it does in a loop. So
    # this is one function with few steps, and calls are of names: CPython 3.11 has no quick way for `self._now()`.
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        app = self.app
        if scope["type"] != "http" or (NOTES in scope and scope[NOTES].started):
            await app(scope, receive, send)
            return
        kind, begin, now, active = self._parts
        scope[NOTES] = exchange = (kind or self._kind_for(scope))()
        if begin is not None:
            begin(exchange)
        exchange.status = exchange.sent = 0
        exchange.first = exchange.last = 0.0
        exchange.usual = True
        exchange.pass_receive = receive
        exchange.pass_send = send
        exchange.now = now
        active.add(exchange)
        exchange.started = started = now()
        try:
            await app(scope, exchange, exchange.send)
        except BaseException as error:
            exchange.be_unusual()
            exchange.raised = type(error)
            raise
        finally:
            active.discard(exchange)
            try:
                ended = now()
                last = exchange.last
                duration = last - started
                if (
                    last
                    and ended - last < NOTEWORTHY_AFTER
                    and duration < self._slow_threshold
                    and exchange.usual
                    and "app_root_path" not in scope
                ):
                    place = scope.get("route") or scope.get("endpoint") or scope.get("path_template")
                    if "fastapi" in scope:
                        place = included_route(scope) or place
                    series = self._known.get((id(place), scope["method"], exchange.status))
                else:
                    series = None
                if series is None:
                    self._end(scope, exchange, ended)
                else:
                    pending = series.pending
                    pending += (duration, exchange.first - started, exchange.sent)
                    if len(pending) >= series.full:
                        series.settle(wait=False)
                    if self._logs:
                        exchange.be_unusual()
                        exchange.status = status_code(exchange.status)
                        self._watch.report(exchange, scope["method"], series.route, duration, ended, scope)
            except Exception:
                self._watch.tally.failures.inc()
            exchange.started = 0.0  # over: for the hooks, too, and for a scope that is used again
            # A task or a timer of the request may live on, and the exchange with its context: nothing of the server's.
            exchange.pass_receive = _receive_late
            exchange.pass_send = _send_late

    def slow_requests(self) -> list[SlowRequest]:
        """The last 100 slow requests of all middlewares with this registry, the newest first; from any thread."""
        return self._watch.tally.slow_requests()

    def _kind_for(self, scope: Scope) -> type[_AsgiExchange]:
        return _TimedExchange if self._watch.wants_server_timing(self._server_timing, scope) else _AsgiExchange

    def _route(self, scope: Scope, exchange: _AsgiExchange) -> str:
        """The template that the option `route` says, that the application noted, or that is left in the scope."""
        said = None if self._watch.route is None else self._watch.route(scope)
        return str(said) if said else exchange.template or self._routes.of(scope)

    def _end(self, scope: Scope, exchange: _AsgiExchange, ended: float) -> None:
        """Count and report a request of any kind; where the route object alone says its series, keep that."""
        usual = exchange.usual
        exchange.be_unusual()
        exchange.status = status = status_code(exchange.status)
        watch, method, route = self._watch, scope["method"], self._route(scope, exchange)
        series, duration = watch.tally.record(exchange, method, route, ended)
        if (
            usual
            and exchange.last
            and 0 < status < SERVER_ERROR
            and series.in_batches
            and method in METHODS
            and watch.route is None
            and "app_root_path" not in scope
            and len(self._known) < _KEPT
        ):
            place = included_route(scope) or scope.get("route")
            if place or not (scope.get("endpoint") or scope.get("path_template")):
                self._kept.append(place)
                self._known[id(place), method, status] = series
        if self._logs or duration >= self._slow_threshold:
            watch.report(exchange, method, route, duration, ended, scope)


async def _receive_late() -> Message:
    return {"type": "http.disconnect"}


async def _send_late(message: Message) -> None:
    raise OSError(f"Expected {message['type']} while the application serves the request, got it afterwards")


class _AsgiExchange(LoopTrace):
    """An exchange between application and server: it is called as `receive`, passes messages on and takes notes.

    Itself, and no method of it: most requests have no body, and their applications never call it.
    """

    __slots__ = ("now", "pass_receive", "pass_send", "template", "usual")

    now: Callable[[], float]
    pass_receive: Receive
    pass_send: Send
    usual: bool
    """Had no body, no template was noted, and nothing has gone wrong so far. Then what tells of that is not set."""
    template: str
    """The route's, where the application noted it."""

    def be_unusual(self) -> None:
        """From now on the request's body, template and failure are told."""
        if self.usual:
            self.usual = False
            self.received = 0
            self.template = ""
            self.disconnected = False
            self.raised = None

    def append(self, template: str) -> None:
        """Note the route's template: see `NOTES`."""
        self.be_unusual()
        self.template = template

    async def __call__(self) -> Message:
        receive = self.pass_receive
        message = await receive()
        kind = message["type"]
        if kind == "http.request":
            received = len(message.get("body") or b"")
            if received:
                self.be_unusual()
                self.received += received
        elif kind == "http.disconnect" and not self.last:
            self.be_unusual()
            self.disconnected = True
        return message

    # A plain function that hands on the server's awaitable: a coroutine in between would cost more than all the rest.
    def send(self, message: Message) -> Awaitable[None]:
        kind = message["type"]
        send = self.pass_send
        if kind == "http.response.body":
            if not self.last:
                sent = self.sent
                if "body" in message:
                    self.sent = sent = sent + len(message["body"] or b"")
                if "more_body" not in message or not message["more_body"]:
                    if sent > _HIGH_WATER:
                        return self._send_last(message)
                    now = self.now
                    self.last = now()
        elif kind == "http.response.start":
            if not self.status:
                # Whatever the application calls it: a number is made of it where it is read.
                self.status = message["status"]
                now = self.now
                self.first = now()
        elif not self.last:
            return self._send_file(kind, message)
        return send(message)

    async def _send_last(self, message: Message) -> None:
        await self.pass_send(message)
        self.last = self.now()

    def _send_file(self, kind: str, message: Message) -> Awaitable[None]:
        """The extensions by which the server sends a file itself."""
        if kind == "http.response.zerocopysend":
            self.sent += message.get("count") or 0
            if not message.get("more_body"):
                return self._send_last(message)
        elif kind == "http.response.pathsend":
            return self._send_last(message)
        return self.pass_send(message)


class _TimedExchange(_AsgiExchange):
    """One that adds `Server-Timing` to the response's head."""

    __slots__ = ()

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start" and not self.status:
            value = server_timing(self.now() - self.started)
            headers = [*message.get("headers", ()), (SERVER_TIMING.lower().encode(), value.encode())]
            message = {**message, "headers": headers}
        return super().send(message)
