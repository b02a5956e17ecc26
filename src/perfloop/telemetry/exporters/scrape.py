"""Metrics for Prometheus to scrape: a small HTTP server in a thread of its own.

It writes the same families once in each format: however often it is scraped, the rest of the process pays for no more
renderings than there are states to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...http_server import HttpServer, Request, Response
from .prometheus import Format, chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from ..snapshots import FamilySnapshot

__all__ = ["ScrapeServer"]


class ScrapeServer:
    """Serves metrics at `/metrics` from entering to leaving.

    Args:
        host: address to listen on.
        port: 0 takes a free one; `url` says which.
        read: gives what to serve, asked in the server's thread at each scrape: a registry's `collect_all`, or what
            gives the same list again while nothing has changed.
        where: the option the address came from, for messages.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, read: Callable[[], Sequence[FamilySnapshot]], *, where: str | None = None
    ) -> None:
        self._read = read
        self._rendered: dict[Format, tuple[Sequence[FamilySnapshot], bytes]] = {}
        self._server = HttpServer(host, port, self._answer, where=where)

    @property
    def url(self) -> str:
        """Where to scrape."""
        return f"{self._server.url}/metrics"

    def __enter__(self) -> ScrapeServer:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def _answer(self, request: Request) -> Response:
        if request.path != "/metrics":
            return Response.text(404, "metrics are at /metrics")
        format = chosen(request.headers.get("accept", ""))  # noqa: A001
        return Response(200, format.content_type, self._render(format))

    def _render(self, format: Format) -> bytes:  # noqa: A002
        families = self._read()
        known = self._rendered.get(format)
        if known is None or known[0] is not families:
            known = self._rendered[format] = (families, format.render(families))
        return known[1]
