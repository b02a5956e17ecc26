"""Faults of a WSGI application."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING, Any

from ...exceptions import InvalidValue
from .connections import reset_connection
from .fault import Cut
from .injector import FAULT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .injector import Faults

__all__ = ["WSGIFaultMiddleware"]

_HEADER = f"HTTP_{FAULT_HEADER.upper().replace('-', '_')}"


class WSGIFaultMiddleware:
    """As `FaultMiddleware`. A reset needs a server that tells the client's port, as waitress and gunicorn do."""

    def __init__(self, app: Callable[..., Iterable[bytes]], faults: Faults) -> None:
        self._app = app
        self._faults = faults

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve a request."""
        try:
            fault = self._faults.choose(environ.get("PATH_INFO", ""), environ.get(_HEADER))
        except InvalidValue as error:
            return _respond(start_response, 400, str(error))
        if fault is None:
            return self._app(environ, start_response)
        self._faults.wait(fault)
        if fault.status is not None:
            return _respond(start_response, fault.status, "injected fault")
        if fault.reset:
            reset_connection(environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0))
            return _respond(start_response, 500, "nobody reads this")
        if fault.partial is not None:
            return _cut(Cut(fault.partial), self._app(environ, start_response))
        self._faults.fail(fault)
        return self._app(environ, start_response)


def _cut(cut: Cut, body: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for chunk in body:
            yield cut.feed(chunk)
            if cut.over:
                break
        if cut.cuts:
            # Servers close the connection of a response whose body fails in the middle.
            raise ConnectionAbortedError("injected fault: the body ends here")
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()


def _respond(start_response: Callable[..., Any], status: int, text: str) -> list[bytes]:
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    body = f"{text}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(f"{status} {phrase}", headers)
    return [body]
