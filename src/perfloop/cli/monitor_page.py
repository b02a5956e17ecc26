"""Where `perfloop monitor` serves its live page, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exceptions import ConfigurationError
from ..http_server import HttpServer
from .telemetry import parse_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..monitoring.live import LiveState, SlowRequest

__all__ = ["MonitorPage"]

_USUAL = ("127.0.0.1", 8790)
_EVERY = 0.5


class MonitorPage:
    """Serves the live page from entering to leaving.

    Args:
        address: `8790`, or `0.0.0.0:8790`; empty: the usual place, or a free port where that is taken.
        find: the slow request of a span id.
        where: the option the address came from, for messages.

    Raises:
        InvalidValue: no such address, or a token that is too short.
        ConfigurationError: the address cannot be listened on.
    """

    def __init__(self, address: str, *, find: Callable[[str], SlowRequest | None], where: str) -> None:
        from ..live.page import LivePage
        from ..live.token import access_to

        host, port = parse_address(address, where=where) if address else _USUAL
        access, self._query = access_to(host)
        page = LivePage(access, event=self._event, find=find)
        self._state: LiveState | None = None
        self._written: tuple[LiveState | None, bytes] = (None, b"")

        def serve(at: int) -> HttpServer:
            return HttpServer(
                host, at, page.answer, tick=self._event, every=_EVERY, serves="the live page", where=where
            )

        try:
            self._server = serve(port)
        except ConfigurationError:
            if address:
                raise
            self._server = serve(0)

    @property
    def url(self) -> str:
        """The address to open, with the token where there is one."""
        return f"{self._server.url}/{self._query}"

    def show(self, state: LiveState) -> None:
        """Take the latest state."""
        self._state = state

    def __enter__(self) -> MonitorPage:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def _event(self) -> bytes:
        """The latest state as an event; written once, however many watch. Called in the server's thread."""
        from ..live.page import event_of

        state = self._state
        if state is not None and state is not self._written[0]:
            self._written = (state, event_of(state))
        return self._written[1]
