"""Admission for WSGI applications: Flask, Django, Falcon and those without a framework."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..deadline import check_deadline, deadline
from ..outcome import FAILURE, IGNORED, SUCCESS, Outcome
from ..priority import PRIORITY
from ..shedding import Criticality
from .rejections import REJECTIONS, AdmittingMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...exceptions import CallRejected, CallTimedOut
    from ..gate import Gate

    Environ = dict[str, Any]
    StartResponse = Callable[..., Any]

__all__ = ["WSGIResilienceMiddleware"]

Application: TypeAlias = Callable[[Any, Any], Iterable[bytes]]
_SERVER_ERROR = 500


class WSGIResilienceMiddleware(AdmittingMiddleware[Application]):
    """Lets in the requests that the service can answer in time, as `ResilienceMiddleware` does for ASGI.

        app.wsgi_app = WSGIResilienceMiddleware(app.wsgi_app)       # Flask
        application = WSGIResilienceMiddleware(application)         # Django, Falcon, any WSGI application

    What waits in the server for a thread is not seen here: let it have more threads than the limit lets in, or few
    connections that wait.
    """

    @staticmethod
    def _key(header: str) -> str:
        return f"HTTP_{header.upper().replace('-', '_')}"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if self._exempt is not None and self._exempt(environ):
            return self.app(environ, start_response)
        important = None
        if self._priority is not None:
            important = Criticality.of(self._priority(environ))
        elif self._priority_header is not None:
            important = Criticality.of_text(environ.get(self._priority_header, ""))
        seconds = self._seconds(environ.get(self._deadline_header))
        request = _Request(self._gate, start_response, important, seconds)
        try:
            with request.inside():
                request.enter()
                check_deadline()  # it may have waited for its place
                body = self.app(environ, request.start_response)
        except REJECTIONS as error:
            request.end(IGNORED)
            if request.status:
                raise
            return self._reject(error, environ, start_response)
        except BaseException as error:
            request.fail(error)
            raise
        if isinstance(body, list | tuple) or _is_file(body, environ):
            # All is computed, or left to the server's sendfile: the rest is the server's.
            request.end()
            return body
        return _SizedBody(body, request) if hasattr(body, "__len__") else _Body(body, request)

    def _reject(
        self, error: CallRejected | CallTimedOut, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        answer = self._rejection(error)
        start_response(f"{answer.status.value} {answer.status.phrase}", answer.headers)
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else answer.body]


def _is_file(body: object, environ: Environ) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


class _Request:
    """A request, from before it is let in."""

    __slots__ = ("_began", "_first", "_gate", "_important", "_start_response", "_token", "_until", "status")

    def __init__(
        self, gate: Gate[Any], start_response: StartResponse, important: int | None, seconds: float | None
    ) -> None:
        self._gate = gate
        self._token: Any = None
        self._start_response = start_response
        self._important = important
        self._began = gate._now()
        self._until = None if seconds is None else self._began + seconds
        self._first: float | None = None
        self.status = 0

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Work on the request, in a thread that goes on to others between two pieces of its body."""
        restored = None if self._important is None else PRIORITY.set(self._important)
        left = None if self._until is None else max(0.0, self._until - self._gate._now())
        try:
            with contextlib.nullcontext() if left is None else deadline(left):
                yield
        finally:
            if restored is not None:
                PRIORITY.reset(restored)

    def enter(self) -> None:
        """Wait to be let in."""
        token = self._gate.try_acquire()
        self._token = self._gate.acquire() if token is None else token
        self._began = self._gate._now()

    def start_response(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        """Note the status; a second call with the details of an exception replaces the first, as WSGI has it."""
        self._first = self._gate._now()
        self.status = int(status[:3]) if status[:3].isdecimal() else _SERVER_ERROR
        return self._start_response(status, headers, *error)

    def fail(self, error: BaseException) -> None:
        """The application raised."""
        outcome: Outcome = IGNORED
        try:
            outcome = self._gate.classification.of_error(error)
        finally:
            self.end(outcome)

    def end(self, outcome: Outcome | None = None) -> None:
        """The request is over; a second call does nothing."""
        token, self._token = self._token, None
        if token is None:
            return
        if outcome is None:
            outcome = FAILURE if self.status >= _SERVER_ERROR else SUCCESS
        ended = self._gate._now() if self._first is None else self._first
        self._gate.release(token, outcome, ended - self._began)


class _Body:
    """The response's pieces on their way to the server, which asks for the next when the one before is sent."""

    def __init__(self, body: Iterable[bytes], request: _Request) -> None:
        self._body = body
        self._request = request
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            with self._request.inside():
                if self._pieces is None:
                    self._pieces = iter(self._body)
                return next(self._pieces)
        except StopIteration:
            self._request.end()
            raise
        except BaseException as error:
            self._request.fail(error)
            raise

    def close(self) -> None:
        """What the server calls in the end, whether it took all pieces or the client went away."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                with self._request.inside():
                    close()
        finally:
            self._request.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def __del__(self) -> None:
        # A server that never calls close.
        self._request.end()


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]
