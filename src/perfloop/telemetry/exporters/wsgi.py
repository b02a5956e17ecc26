"""Metrics as a WSGI application, to mount in a service or to serve by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..registry import DEFAULT_REGISTRY, Registry
from .prometheus import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["metrics_wsgi_app"]


def metrics_wsgi_app(registry: Registry = DEFAULT_REGISTRY) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """A WSGI application that answers GET and HEAD, whatever the path, with the metrics of `registry`."""

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD"), ("Content-Length", "0")])
            return []
        body, content_type = render(registry, accept=environ.get("HTTP_ACCEPT", ""))
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body] if method == "GET" else []

    return app
