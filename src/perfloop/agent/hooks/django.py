"""Django, WSGI and ASGI: the route is the pattern the URL resolver matched."""

from __future__ import annotations

import inspect
from typing import Any

from .. import asgi, wsgi
from ..channel import CHANNEL
from ..frames import code_frame
from ..state import CURRENT

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Trace the handler's call, or, for the base handler, note what it resolved."""
    name = module.__name__.rpartition(".")[2]
    if name == "wsgi":
        _hook_wsgi(module.WSGIHandler)
    elif name == "asgi":
        _hook_asgi(module.ASGIHandler)
    else:
        _hook_resolver(module.BaseHandler)


def _hook_wsgi(handler: Any) -> None:
    call = handler.__call__

    def traced_call(self: Any, environ: Any, start_response: Any) -> Any:
        return wsgi.call_application(call, (self,), environ, start_response)

    handler.__call__ = traced_call


def _hook_asgi(handler: Any) -> None:
    call = handler.__call__

    async def traced_call(self: Any, scope: Any, receive: Any, send: Any) -> None:
        await asgi.call_application(call, (self,), scope, receive, send)

    handler.__call__ = traced_call


def _hook_resolver(handler: Any) -> None:
    resolve_request = handler.resolve_request

    def noting_resolve(self: Any, http_request: Any) -> Any:
        match = resolve_request(self, http_request)
        request = CURRENT.get()
        if request is not None and request.live:
            try:
                request.route = "/" + match.route.removeprefix("^").removeprefix("/")
                view = getattr(match.func, "view_class", None)
                method = getattr(view, (http_request.method or "").lower(), None)
                request.handler = code_frame(method if method is not None else match.func)
                request.is_async = inspect.iscoroutinefunction(match.func) or bool(
                    getattr(match.func, "view_is_async", False)
                )
            except Exception as error:
                CHANNEL.hook_failed("django", error)
        return match

    handler.resolve_request = noting_resolve
