"""The live page's three answers: the page, the stream of its figures, and one slow request looked up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from ..http_access import page_headers
from ..http_server import Response
from ..reporting.monitor_page import page_state, render_monitor_page, shown_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_server import Request
    from ..monitoring.live import LiveState, SlowRequest

__all__ = ["Access", "LivePage", "event_of"]

_LOOK_UP = re.compile(r"/requests/([0-9a-f]{16})")


class Access(Protocol):
    """Who may read the page."""

    def refusal(self, request: Request) -> Response | None:
        """The answer to who may not; None: go on."""


class LivePage:
    """Answers requests for the page; pure, but for what it is given.

    Args:
        access: who may read it.
        event: the latest figures, as `event_of` makes them; called from the server's thread.
        find: the slow request of a span id; called from the server's thread.
        retry_ms: how soon a browser asks again whose stream has ended.
    """

    def __init__(
        self,
        access: Access,
        *,
        event: Callable[[], bytes],
        find: Callable[[str], SlowRequest | None],
        retry_ms: int = 1000,
    ) -> None:
        page, policy = render_monitor_page()
        self._page = page.encode()
        self._headers = page_headers(policy)
        self._access = access
        self._event = event
        self._find = find
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
        wanted = _LOOK_UP.fullmatch(request.path)
        if wanted is not None:
            found = self._find(wanted[1])
            body = msgspec.json.encode(None if found is None else shown_request(found))
            return Response(200, "application/json", body, self._headers)
        return Response.text(404, "the live page is at /")


def event_of(state: LiveState) -> bytes:
    """The figures of one moment as an event of the page's stream."""
    return b"data: " + msgspec.json.encode(page_state(state)) + b"\n\n"
