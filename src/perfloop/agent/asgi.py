"""ASGI applications: one record a request, from the call of the application to the last byte handed to the server."""

from __future__ import annotations

import inspect
from time import monotonic_ns
from typing import Any

from .channel import CHANNEL
from .driving import DrivenRequest
from .frames import code_frame
from .loops import watch_running_loop
from .state import Request

__all__ = ["begin_request", "call_application", "parse_span", "wrap_application"]

_SCOPE_KEY = "perfloop.request"


def parse_span(traceparent: str | bytes) -> int | None:
    """The low 64 bits of a W3C traceparent header's parent id; None when it is malformed."""
    text = traceparent.decode("latin-1") if isinstance(traceparent, bytes) else traceparent
    fields = text.strip().split("-")
    if len(fields) < 4 or len(fields[2]) != 16:
        return None
    try:
        return int(fields[2], 16)
    except ValueError:
        return None


def wrap_application(application: Any) -> Any:
    """An ASGI 3 application that behaves as `application`; websockets and lifespan pass untouched."""

    def traced(scope: Any, receive: Any, send: Any) -> Any:
        return call_application(application, (), scope, receive, send)

    return traced


def call_application(application: Any, before: tuple[Any, ...], scope: Any, receive: Any, send: Any) -> Any:
    """The awaitable of `application(*before, scope, receive, send)`, traced unless an outer layer does it already."""
    if not CHANNEL.open or scope["type"] != "http" or _SCOPE_KEY in scope:
        return application(*before, scope, receive, send)
    try:
        request, send = begin_request(scope, send)
    except Exception as error:
        CHANNEL.hook_failed("asgi", error)
        return application(*before, scope, receive, send)
    return DrivenRequest(request, application(*before, scope, receive, send))


def begin_request(scope: Any, send: Any) -> tuple[Request, Any]:
    """The request of an HTTP scope, and the `send` that watches for its first and last byte."""
    span = None
    for name, value in scope.get("headers", ()):
        if name == b"traceparent":
            span = parse_span(value)
    request = Request(scope.get("method", ""), span)
    request.scope = scope
    request.resolver = _resolve
    request.is_async = True
    scope[_SCOPE_KEY] = True
    watch_running_loop()

    def traced_send(message: Any) -> Any:
        kind = message["type"]
        if kind == "http.response.start":
            request.status = message["status"]
            request.first_byte = monotonic_ns()
        elif kind == "http.response.body" and not message.get("more_body", False) and request.started:
            # What the server starts from inside its send (the next pipelined request) is not this request's.
            request.live = False
            return _send_last(request, send, message)
        return send(message)

    return request, traced_send


async def _send_last(request: Request, send: Any, message: Any) -> None:
    try:
        await send(message)
    finally:
        request.finish()


# By id of the framework's route object: (template, handler's frame, async). The route is kept, so its id stays its own.
_ROUTES: dict[int, tuple[str, int, bool, Any]] = {}


def _call_method(instance: Any) -> Any:
    return getattr(type(instance), "__call__", None)  # noqa: B004 - the method itself is wanted


def _resolve(request: Request, final: bool) -> None:
    """Starlette and FastAPI leave route and endpoint in the scope once they have routed.

    A mount is an answer only in the end: before, the application behind it may still route.
    """
    scope = request.scope
    route = scope.get("route")
    endpoint = scope.get("endpoint")
    if route is None and endpoint is None:
        return
    prefix = scope.get("root_path", "")
    outer = scope.get("app_root_path", prefix)
    mounted = prefix[len(outer) :] if prefix.startswith(outer) else ""
    if route is not None and not hasattr(route, "endpoint"):
        if final and mounted:
            request.route = mounted + "/{path}"
        return
    context = scope.get("fastapi")
    effective = context.get("effective_route_context") if isinstance(context, dict) else None
    key = route if route is not None else endpoint
    known = _ROUTES.get(id(key))
    if known is None:
        endpoint = getattr(route, "endpoint", endpoint)
        template = getattr(route, "path_format", None) or getattr(route, "path", None)
        handler = inspect.unwrap(endpoint) if callable(endpoint) else endpoint
        while hasattr(handler, "func"):
            handler = handler.func
        is_async = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(_call_method(handler))
        known = (template or "", code_frame(endpoint), is_async, key)
        if len(_ROUTES) < 10_000:
            _ROUTES[id(key)] = known
    template, request.handler, request.is_async, _ = known
    included = getattr(effective, "path_format", None) if effective is not None else None
    path = included or template
    if path:
        request.route = mounted + path
