"""Metrics as an ASGI application, to mount in a service or to serve by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..registry import DEFAULT_REGISTRY, Registry
from .prometheus import render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

__all__ = ["answer_lifespan", "metrics_asgi_app"]


def metrics_asgi_app(registry: Registry = DEFAULT_REGISTRY) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application that answers GET and HEAD, whatever the path, with the metrics of `registry`.

    They are written in a thread: the event loop goes on serving.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, [(b"allow", b"GET, HEAD")], b"")
        else:
            accept = b",".join(value for name, value in scope["headers"] if name.lower() == b"accept")
            body, content_type = await asyncio.to_thread(render, registry, accept=accept.decode("latin-1"))
            headers = [(b"content-type", content_type.encode()), (b"content-length", b"%d" % len(body))]
            await _respond(send, 200, headers, body if scope["method"] == "GET" else b"")

    return app


async def answer_lifespan(receive: Receive, send: Send) -> None:
    """Take part in a server's start and stop, with nothing to do."""
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
