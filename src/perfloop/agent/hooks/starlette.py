"""Starlette, and with it FastAPI: the application is an ASGI application; the route is read from the scope."""

from __future__ import annotations

from typing import Any

from ..asgi import call_application
from ..state import CURRENT

__all__ = ["apply"]


def apply(module: Any) -> None:
    """Trace Starlette.__call__, for servers without a hook of their own; note the scope of each route that handles."""
    if module.__name__ == "starlette.applications":
        call = module.Starlette.__call__

        # A coroutine function, because servers tell ASGI 3 from ASGI 2 by it.
        async def traced_call(self: Any, scope: Any, receive: Any, send: Any) -> None:
            await call_application(call, (self,), scope, receive, send)

        module.Starlette.__call__ = traced_call
        return

    handle = module.Route.handle

    def noting_handle(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        # A middleware may have copied the scope: this is the one the route was matched in.
        request = CURRENT.get()
        if request is not None and request.live:
            request.scope = scope
        return handle(self, scope, receive, send)

    module.Route.handle = noting_handle
