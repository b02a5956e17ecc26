"""A page and the stream of events that it shows, as answers to requests. Pure, but for what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..http_access import page_headers
from ..http_server import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_access import Access
    from ..http_server import Request

__all__ = ["EventPage"]


class EventPage:
    """Answers `/` with the page and `/events` with its stream.

    Args:
        page: the page, and its content security policy.
        access: who may read it.
        event: the latest figures, `data: …` and an empty line; called from the server's thread.
        retry_ms: how soon a browser asks again whose stream has ended.
    """

    def __init__(
        self, page: tuple[str, str], access: Access, *, event: Callable[[], bytes], retry_ms: int = 1000
    ) -> None:
        text, policy = page
        self._page = text.encode()
        self._headers = page_headers(policy)
        self._access = access
        self._event = event
        self._retry = f"retry: {retry_ms}\n".encode()

    def answer(self, request: Request) -> Response:
        """The answer to one request; that of `/events` is a stream."""
        refusal = self._access.refusal(request)
        if refusal is not None:
            return refusal
        if request.method != "GET":
            return Response.text(405, "expected GET", ("Allow", "GET"))
        if request.path == "/":
            return Response(200, "text/html; charset=utf-8", self._page, self._headers)
        if request.path == "/events":
            return Response(200, "text/event-stream", self._retry + self._event(), self._headers, stream=True)
        return self._other(request) or Response.text(404, "the live page is at /")

    def _other(self, request: Request) -> Response | None:
        """The answer to a request for something else that there is."""
        return None
