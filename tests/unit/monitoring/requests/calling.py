"""Calls applications as a server does, under a clock of the test's, and reads what was counted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from collections.abc import Iterable

    from perfloop.telemetry import Distribution, Registry

Labels = tuple[str, str, str, str]


class Ticks:
    """A clock that says what it is told; each look takes `step` seconds."""

    def __init__(self, step: float = 0.0) -> None:
        self.moment = 100.0
        self.step = step

    def now(self) -> float:
        self.moment += self.step
        return self.moment

    def pass_(self, seconds: float) -> None:
        self.moment += seconds


def scope_of(path: str = "/", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "scheme": "http",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": {},
        **more,
    }


def call(app: Any, path: str = "/", method: str = "GET", *, messages: Iterable[Any] = (), **more: Any) -> list[Any]:
    """The messages the application sent. `messages`: what it receives, before an empty body."""
    return asyncio.run(acall(app, path, method, messages=messages, **more))


async def acall(
    app: Any, path: str = "/", method: str = "GET", *, messages: Iterable[Any] = (), **more: Any
) -> list[Any]:
    sent: list[Any] = []
    incoming = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        message = next(incoming, None)
        if message is None:
            await asyncio.Event().wait()  # as long as the client stays
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope_of(path, method, **more), receive, send)
    return sent


def call_wsgi(app: Any, path: str = "/", method: str = "GET", **environ: Any) -> tuple[str, list[Any], bytes]:
    """Status, headers and body, taken and closed as a server does."""
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, **environ}
    setup_testing_defaults(environ)
    heads: list[tuple[str, list[Any]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[Any], error: Any = None) -> Any:
        heads.append((status, headers))
        return written.append

    body = app(environ, start_response)
    try:
        received = b"".join(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return heads[-1][0], heads[-1][1], b"".join(written) + received


def counted(registry: Registry, name: str = "http.server.request.duration") -> dict[Labels, int]:
    """How many requests a histogram holds, by method, route, status and error type."""
    return {labels: value.count for labels, value in distributions(registry, name).items()}


def distributions(registry: Registry, name: str) -> dict[Labels, Distribution]:
    return {labels: value for labels, value in values(registry, name).items() if value.count}


def values(registry: Registry, name: str) -> dict[Any, Any]:
    return {
        series.labels: series.value for family in registry.collect() if family.name == name for series in family.series
    }
