"""The middleware for WSGI applications: Flask, Django, Falcon and those without a framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...clock import MONOTONIC
from ...telemetry import DEFAULT_REGISTRY
from .breakdown import begin_thread_trace
from .exchange import Exchange
from .routes import NOTES, UNMATCHED, flask_route, note_routes
from .server_timing import SERVER_TIMING, server_timing
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from ...clock import Clock
    from ...telemetry import Registry
    from .access_log import AccessFormat
    from .slow import SlowRequest

    Environ = MutableMapping[str, Any]
    StartResponse = Callable[..., Callable[[bytes], object]]
    # Any: each framework has its own types for them.
    Application = Callable[[Any, Any], Iterable[bytes]]

__all__ = ["WSGIPerformanceMiddleware"]


class WSGIPerformanceMiddleware:
    """Counts and times every request of a WSGI application, as `PerformanceMiddleware` does for ASGI.

        app.wsgi_app = WSGIPerformanceMiddleware(app.wsgi_app)      # Flask
        application = WSGIPerformanceMiddleware(application)        # Django, Falcon, any WSGI application

    The bytes of request bodies are those that `Content-Length` announces.
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
        """Wrap `app`; arguments and errors as those of `PerformanceMiddleware`, with the environment for the scope."""
        self.app = app
        self.server_timing = server_timing
        self.watch = Watch(registry, slow_threshold, access_log, route, clock, breakdown=breakdown)
        self.begin_trace = begin_thread_trace() if breakdown else None
        self._active = self.watch.tally.active
        note_routes(app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if NOTES in environ:
            return self.app(environ, start_response)
        request = _Request(self, environ, start_response)
        self._active.add(request)
        try:
            body = self.app(environ, request.start_response)
        except BaseException as error:
            request.raised = type(error)
            request.end()
            raise
        whole = isinstance(body, list | tuple)
        if whole or _is_file(body, environ):
            # All is computed, or left to the server's sendfile: the rest is the server's, and it gets what it knows.
            request.last = request.watch.now()
            request.first = request.first or request.last
            request.sent += sum(map(len, body)) if whole else 0
            request.end()
            return body
        request.leave()
        return _SizedBody(body, request) if hasattr(body, "__len__") else _Body(body, request)

    def slow_requests(self) -> list[SlowRequest]:
        """The last 100 slow requests of all middlewares with this registry, the newest first; from any thread."""
        return self.watch.tally.slow_requests()


def _is_file(body: object, environ: Environ) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _Request(Exchange):
    """An exchange that stands between application and server."""

    __slots__ = ("_middleware", "_start_response", "_trace", "announced", "environ", "over", "route", "watch")

    def __init__(self, middleware: WSGIPerformanceMiddleware, environ: Environ, start_response: StartResponse) -> None:
        self.watch = middleware.watch
        self.begin(self.watch.now())
        self._middleware = middleware
        self._start_response = start_response
        self.environ = environ
        self.over = False
        self.route = ""
        self.announced = ""
        """The response's Content-Length."""
        environ[NOTES] = []
        length = environ.get("CONTENT_LENGTH") or ""
        self.received = int(length) if length.isdecimal() else 0
        self._trace = None if middleware.begin_trace is None else middleware.begin_trace()

    def start_response(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
        """Note the status; a second call with the details of an exception replaces the first, as WSGI has it."""
        try:
            self.status = int(status[:3])
        except (TypeError, ValueError):
            self.status = 0
        self.route = self.route or flask_route(self.environ)
        self.announced = next((value for name, value in headers if name.lower() == "content-length"), "")
        if self.watch.wants_server_timing(self._middleware.server_timing, self.environ):
            headers = [*headers, (SERVER_TIMING, server_timing(self.watch.now() - self.started))]
        write = self._start_response(status, headers, *error)

        def counted_write(data: bytes) -> object:
            # The head goes out with the first piece of the body, as WSGI has it.
            self.first = self.first or self.watch.now()
            self.sent += len(data)
            return write(data)

        return counted_write

    def leave(self) -> None:
        """The thread goes on to other things, the body is still to come."""
        if self._trace is not None:
            self._trace.leave()

    def resume(self) -> None:
        """The thread makes the next piece of the body."""
        if self._trace is not None:
            self._trace.resume()

    def end(self) -> None:
        """The request is over; a second call does nothing."""
        if self.over:
            return
        self.over = True
        watch = self.watch
        watch.tally.active.discard(self)
        try:
            self.leave()
            ended = watch.now()
            method = self.environ.get("REQUEST_METHOD", "")
            notes = self.environ.pop(NOTES, None)
            said = watch.route(self.environ) if watch.route is not None else None
            route = str(said) if said else notes[-1] if notes else self.route or UNMATCHED
            _, duration = watch.tally.record(self, method, route, ended)
            watch.report(self, method, route, duration, ended, self.environ)
            if self._trace is not None:
                self._trace.live = False
        except Exception:
            watch.tally.failures.inc()

    def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
        return ({}, 0) if self._trace is None else self._trace.breakdown(started, ended)

    def cut_short(self) -> bool:
        """The server closed the body before its end, and did not have all of it: the client left."""
        if self.environ.get("REQUEST_METHOD") == "HEAD" or self.status in (204, 304):
            return False
        return not self.announced.isdecimal() or self.sent < int(self.announced)


class _Body:
    """The response's pieces on their way to the server, which asks for the next when the one before is sent."""

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body = body
        self._request = request
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        request = self._request
        asked = request.watch.now()
        if self._pieces is None:
            self._pieces = iter(self._body)
        request.resume()
        try:
            piece = next(self._pieces)
        except StopIteration:
            # Without a piece, the head goes out now.
            request.first = request.first or asked
            request.last = asked
            raise
        except BaseException as error:
            request.raised = type(error)
            raise
        finally:
            request.leave()
        if piece:
            request.first = request.first or request.watch.now()
            request.sent += len(piece)
        return piece

    def close(self) -> None:
        """What the server calls in the end, whether it took all pieces or the client went away."""
        request = self._request
        if not request.last and request.raised is None:
            if request.cut_short():
                request.disconnected = True
            else:
                request.last = request.watch.now()
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                request.resume()
                close()
        except BaseException as error:
            request.raised = type(error)
            raise
        finally:
            request.leave()
            request.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def __del__(self) -> None:
        # A server that never calls close.
        self._request.end()


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]
