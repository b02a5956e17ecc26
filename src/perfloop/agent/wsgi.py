"""WSGI applications: the request's time on its thread, from the application's call to the body's last piece."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from .asgi import parse_span
from .channel import CHANNEL
from .events import THREAD
from .state import CURRENT, Request, Segment, close_segment, open_segment

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["call_application", "wrap_application"]

_ENVIRON_KEY = "perfloop.request"


def wrap_application(application: Any) -> Any:
    """A WSGI application that behaves as `application`."""

    def traced(environ: Any, start_response: Any) -> Any:
        return call_application(application, (), environ, start_response)

    traced.__wrapped__ = application  # type: ignore[attr-defined]
    return traced


def call_application(application: Any, before: tuple[Any, ...], environ: Any, start_response: Any) -> Any:
    """`application(*before, environ, start_response)`, traced unless an outer layer traces the request already."""
    if not CHANNEL.open or _ENVIRON_KEY in environ:
        return application(*before, environ, start_response)
    try:
        traceparent = environ.get("HTTP_TRACEPARENT")
        request = Request(environ.get("REQUEST_METHOD", ""), parse_span(traceparent) if traceparent else None)
        environ[_ENVIRON_KEY] = True
        segment = open_segment(request, THREAD)
    except Exception as error:
        CHANNEL.hook_failed("wsgi", error)
        return application(*before, environ, start_response)

    def traced_start(status: Any, *args: Any, **options: Any) -> Any:
        try:
            request.status = int(status[:3])
        except Exception:
            # No status that WSGI allows: the server says so to the application, and the request has none.
            pass
        return start_response(status, *args, **options)

    token = CURRENT.set(request)
    try:
        body = application(*before, environ, traced_start)
    except BaseException as error:
        request.error = type(error).__name__
        _end(request, segment, monotonic_ns())
        raise
    finally:
        CURRENT.reset(token)
    now = monotonic_ns()
    if isinstance(body, (list, tuple)) or _is_file(body, environ):
        # Everything is computed, or left to the server's sendfile: the rest is the server's.
        request.first_byte = now
        _end(request, segment, now)
        return body
    if segment is not None:
        close_segment(segment)
    return _SizedBody(body, request) if hasattr(body, "__len__") else _Body(body, request)


def _is_file(body: Any, environ: Any) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(body, wrapper)


def _end(request: Request, segment: Segment | None, moment: int) -> None:
    # `finish` records the running segment; closing it afterwards only clears the thread.
    request.finish(moment)
    if segment is not None:
        close_segment(segment)


class _Body:
    """The response's pieces, each produced under the request's clock."""

    def __init__(self, body: Any, request: Request) -> None:
        self._body = body
        self._request = request
        self._pieces: Iterator[Any] | None = None
        self._last = monotonic_ns()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        request = self._request
        if not request.started:
            return next(self._iterator())
        segment = open_segment(request, THREAD)
        token = CURRENT.set(request)
        try:
            piece = next(self._iterator())
        except StopIteration:
            request.finish(self._last)
            raise
        except BaseException as error:
            request.error = type(error).__name__
            request.finish()
            raise
        finally:
            CURRENT.reset(token)
            if segment is not None:
                close_segment(segment)
        self._last = monotonic_ns()
        if not request.first_byte:
            request.first_byte = self._last
        return piece

    def _iterator(self) -> Iterator[Any]:
        pieces = self._pieces
        if pieces is None:
            pieces = self._pieces = iter(self._body)
        return pieces

    def close(self) -> None:
        """What the server calls in the end, whether it took all pieces or the client went away."""
        self._request.finish(self._last)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


class _SizedBody(_Body):
    def __len__(self) -> int:
        return len(self._body)
