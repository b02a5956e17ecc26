"""Faults of an ASGI application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidValue
from .connections import reset_connection
from .fault import Cut
from .injector import FAULT_HEADER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from .injector import Faults

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

__all__ = ["FaultMiddleware"]

_HEADER = FAULT_HEADER.lower().encode()


class FaultMiddleware:
    """Round an application, outermost. Of what goes wrong only delays and partial bodies reach it."""

    def __init__(self, app: App, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value.decode("latin-1") for name, value in scope["headers"] if name == _HEADER]
        try:
            fault = self._faults.choose(scope["path"], ",".join(given) if given else None)
        except InvalidValue as error:
            await _respond(send, 400, str(error))
            return
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.latency:
            await asyncio.sleep(fault.latency)
        if fault.status is not None:
            await _respond(send, fault.status, "injected fault")
        elif fault.reset:
            reset_connection(*(scope.get("client") or ("", 0)))
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault.partial is not None:
            await self._cut(Cut(fault.partial), scope, receive, send)
        else:
            self._faults.fail(fault)
            await self._app(scope, receive, send)

    async def _cut(self, cut: Cut, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        closed = False

        async def send_part(message: Message) -> None:
            nonlocal closed
            if closed:
                raise ConnectionAbortedError("the connection was closed by an injected fault")
            if message["type"] != "http.response.body":
                await send(message)
                return
            last = not message.get("more_body", False)
            body = cut.feed(message.get("body", b""))
            closed = cut.over or (last and cut.cuts)
            await send({"type": "http.response.body", "body": body, "more_body": closed or not last})

        try:
            await self._app(scope, receive, send_part)
        except ConnectionAbortedError:
            if not closed:
                raise
        if closed:
            # Servers close the connection of a response whose application fails in the middle.
            raise ConnectionAbortedError("injected fault: the body ends here")


async def _respond(send: Send, status: int, text: str) -> None:
    body = f"{text}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
