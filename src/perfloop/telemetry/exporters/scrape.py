"""Metrics for Prometheus to scrape: a small HTTP server in a thread of its own.

It answers one scrape at a time, and writes the text of the same families once: however often it is scraped, the rest
of the process pays for no more renderings than there are states to show.
"""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

from ...exceptions import ConfigurationError
from .prometheus import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, render_families

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ..snapshots import FamilySnapshot

__all__ = ["ScrapeServer"]

# Who connects and then says nothing keeps others waiting for so long.
_PATIENCE_SECONDS = 2.0
_STOP_SECONDS = 0.1


class ScrapeServer:
    """Serves metrics at `/metrics` from entering to leaving.

    Args:
        host: address to listen on.
        port: 0 takes a free one; `url` says which.
        read: gives what to serve, asked in the server's thread at each scrape: a registry's `collect`, or what gives
            the same list again while nothing has changed.
        where: the option the address came from, for messages.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, read: Callable[[], Sequence[FamilySnapshot]], *, where: str | None = None
    ) -> None:
        self._read = read
        self._rendered: dict[bool, tuple[Sequence[FamilySnapshot], bytes]] = {}
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            kind = type("Server", (_Server,), {"address_family": family})
            self._server = kind(address[:2], _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"Expected an address that metrics can be served on: {error.strerror or error}",
                got=f"{host}:{port}",
                where=where,
                hint="another port, or port 0 for any that is free",
            ) from error
        self._server.render = self._render
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_SECONDS,), name="perfloop-scrape", daemon=True
        )

    @property
    def url(self) -> str:
        """Where to scrape."""
        host, port = self._server.server_address[:2]
        return f"http://{f'[{host}]' if ':' in str(host) else host}:{port}/metrics"

    def __enter__(self) -> ScrapeServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _render(self, openmetrics: bool) -> bytes:
        families = self._read()
        known = self._rendered.get(openmetrics)
        if known is None or known[0] is not families:
            text = render_families(families, openmetrics=openmetrics).encode(errors="replace")
            known = self._rendered[openmetrics] = (families, text)
        return known[1]


class _Server(TCPServer):
    # Not http.server's own: that asks the name service for a name that nobody needs.
    allow_reuse_address = True
    render: Any = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away is nobody's error."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != "/metrics":
            self._answer(404, "text/plain; charset=utf-8", b"metrics are at /metrics\n")
            return
        openmetrics = "application/openmetrics-text" in self.headers.get("Accept", "")
        content_type = OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE
        self._answer(200, content_type, self.server.render(openmetrics))

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: stderr belongs to the command."""
