"""What is kept of one stream, and who is told what becomes of it."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["WINDOW", "Listener", "Owner", "Stream"]

WINDOW = 1 << 24
"""Bytes that a server may send ahead, on a stream as on a connection."""


class Stream:
    """One request and its response."""

    __slots__ = (
        "content",
        "first_byte",
        "interim",
        "is_head",
        "length",
        "message",
        "number",
        "owner",
        "received",
        "room",
        "sent",
        "status",
        "window",
    )

    def __init__(self, number: int, owner: Any, message: bytes, body_at: int, window: int, *, is_head: bool) -> None:
        self.number = number
        self.owner = owner
        self.message = message
        self.sent = body_at
        """Up to there the message has been sent."""
        self.window = window
        """Bytes of a body that the server takes now."""
        self.room = WINDOW
        """Bytes of a body that it may send."""
        self.is_head = is_head
        self.status = self.received = self.content = self.interim = 0
        self.length = -1
        """Bytes that its content must have; -1 when it may be any number."""
        self.first_byte = 0.0


class Owner(Protocol):
    """Who is told how a stream ended. It is no longer open then."""

    def answered(self, stream: Stream, now: float) -> None:
        """The response is whole."""

    def failed(self, kind: str, example: str, *, unprocessed: bool = False) -> None:
        """It ended without a response. `unprocessed`: the server says that it did nothing with the request."""


class Listener(Protocol):
    """Who is told what happens to the connection."""

    def settings_came(self) -> None:
        """The server's settings came, for the first time or again."""

    def going_away(self, untouched: list[Stream], why: str) -> None:
        """The server takes no further requests, and did nothing with those of the streams given, which are over.

        Args:
            why: its error and its explanation, empty when it gave none.
        """

    def unsolicited(self, what: str) -> None:
        """The server sent something for a stream that is over."""
