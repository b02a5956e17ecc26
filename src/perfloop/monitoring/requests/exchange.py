"""One request and its response, as a middleware sees them: what happened when, and what came of it."""

from __future__ import annotations

from typing import Final

__all__ = ["CLIENT_DISCONNECT", "INCOMPLETE_RESPONSE", "SERVER_ERROR", "Exchange", "status_code"]

CLIENT_DISCONNECT: Final = "client_disconnect"
"""The error type of a request whose client left before the response was complete: no fault of the service."""
INCOMPLETE_RESPONSE: Final = "incomplete_response"
"""The error type of an application that returned without completing its response."""

SERVER_ERROR = 500
# What servers and frameworks raise into an application whose client is gone.
_DISCONNECTS = frozenset({"ClientDisconnect", "ClientDisconnected", "RequestAborted"})


class Exchange:
    """What is known of one request so far. Moments are seconds of one clock; 0 where it has not come to it."""

    __slots__ = ("disconnected", "first", "last", "raised", "received", "sent", "started", "status")

    started: float
    status: int
    first: float
    """When the response's head was handed to the server."""
    last: float
    """When the last byte of the body was."""
    received: int
    """Bytes of the request's body."""
    sent: int
    """Bytes of the response's body."""
    disconnected: bool
    raised: type[BaseException] | None

    def begin(self, started: float) -> None:
        """A request arrived at `started`."""
        self.started = started
        self.status = self.received = self.sent = 0
        self.first = self.last = 0.0
        self.disconnected = False
        self.raised = None

    def breakdown(self, started: float, ended: float) -> tuple[dict[str, float], int]:
        """Seconds by part between two moments of the monotonic clock, and the count of statements.

        Where the agent was asked to look.
        """
        raise NotImplementedError

    def outcome(self) -> tuple[int, str]:
        """The status code, and OpenTelemetry's `error.type`: empty for a request that went well.

        A client that left comes before what the application raised because of it. An application that raised before it
        answered counts as 500, which is what its server answers then; one that was cancelled has no status.
        """
        raised = self.raised
        if self.disconnected or (raised is not None and raised.__name__ in _DISCONNECTS):
            return self.status, CLIENT_DISCONNECT
        if raised is not None:
            return self.status or (SERVER_ERROR if issubclass(raised, Exception) else 0), raised.__name__
        if not self.last:
            return self.status or SERVER_ERROR, INCOMPLETE_RESPONSE
        return self.status, str(self.status) if self.status >= SERVER_ERROR else ""


def status_code(status: object) -> int:
    """The code as a plain number: of an `http.HTTPStatus`, or of digits; 0 of what is none."""
    try:
        return int(status)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0
