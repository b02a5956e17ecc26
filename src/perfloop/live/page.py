"""The live page of a service: the page, the stream of its figures, and one slow request looked up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from ..http_server import Response
from ..reporting.monitor_page import page_state, render_monitor_page, shown_request
from .event_page import EventPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..http_access import Access
    from ..http_server import Request
    from ..monitoring.live import LiveState, SlowRequest

__all__ = ["LivePage", "event_of"]

_LOOK_UP = re.compile(r"/requests/([0-9a-f]{16})")


class LivePage(EventPage):
    """Answers requests for the page, and `/requests/…` with a slow request.

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
        super().__init__(render_monitor_page(), access, event=event, retry_ms=retry_ms)
        self._find = find

    def _other(self, request: Request) -> Response | None:
        wanted = _LOOK_UP.fullmatch(request.path)
        if wanted is None:
            return None
        found = self._find(wanted[1])
        body = msgspec.json.encode(None if found is None else shown_request(found))
        return Response(200, "application/json", body, self._headers)


def event_of(state: LiveState) -> bytes:
    """The figures of one moment as an event of the page's stream."""
    return b"data: " + msgspec.json.encode(page_state(state)) + b"\n\n"
