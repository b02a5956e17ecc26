"""A service that counts its requests, as ASGI and as WSGI application, for tests with several workers."""

from __future__ import annotations

import os
from typing import Any

from perfloop.telemetry import DEFAULT_REGISTRY
from perfloop.telemetry.exporters.asgi import metrics_asgi_app
from perfloop.telemetry.exporters.wsgi import metrics_wsgi_app

__all__ = ["app", "wsgi"]

REQUESTS = DEFAULT_REGISTRY.counter("shop.requests", "Requests answered.", labels=["pid"], max_series=100)
DURATION = DEFAULT_REGISTRY.histogram("http.server.request.duration", "Duration.")
ALIVE = DEFAULT_REGISTRY.gauge("shop.workers", "Workers that have answered.")
DEFAULT_REGISTRY.observable_gauge("shop.pid.largest", "Largest process number.", callback=os.getpid, merge="max")
_metrics = metrics_asgi_app()
_wsgi_metrics = metrics_wsgi_app()


def count() -> bytes:
    REQUESTS.labels(os.getpid()).inc()
    DURATION.observe(0.01)
    ALIVE.set(1)
    return str(os.getpid()).encode()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] == "/metrics":
        await _metrics(scope, receive, send)
        return
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": count()})


def wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    if environ["PATH_INFO"] == "/metrics":
        return _wsgi_metrics(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [count()]
