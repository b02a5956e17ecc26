"""The frames of one WebSocket connection, seen from the client: messages out of bytes and back. Without I/O.

wsproto reads and writes the frames (RFC 6455): it masks each with a fresh random key, and checks what comes.
No extension is offered, so that permessage-deflate (RFC 7692) is never spoken.
"""

from __future__ import annotations

from typing import NamedTuple

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from .. import failures
from .response import LARGEST_BODY

__all__ = ["Closed", "Frames"]


class Closed(NamedTuple):
    """Nothing more will come. `kind`: what the server broke; empty when it closed, with `code`."""

    code: int
    reason: str
    kind: str = ""


class Frames:
    """One connection after its upgrade.

    Args:
        largest: bytes or characters of a message that are taken.
    """

    def __init__(self, largest: int = LARGEST_BODY) -> None:
        self._connection = Connection(ConnectionType.CLIENT)
        self._largest = largest
        self._pieces: list[str | bytes] = []
        self._kept = 0
        self.closed: Closed | None = None
        """Once the server has closed, or broke the rules."""
        self.closing = False
        """The client has begun to close."""
        self.unsent = bytearray()  # not bytes: a flood of pings in one piece would copy all answers with each
        """What is to be sent now: answers to pings, and to a close."""

    def feed(self, data: bytes) -> list[str | bytes]:
        """The messages that became whole with these bytes."""
        whole: list[str | bytes] = []
        if self.closed is not None:
            return whole
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, Message):
                if event.data:  # of empty frames there may be any number
                    self._pieces.append(event.data)
                self._kept += len(event.data)
                if self._kept > self._largest:
                    self._fail(
                        failures.MESSAGE_TOO_LARGE, CloseReason.MESSAGE_TOO_BIG, f"more than {self._largest} bytes"
                    )
                    break
                if event.message_finished:
                    empty = "" if isinstance(event, TextMessage) else b""
                    whole.append(empty.join(self._pieces))  # type: ignore[arg-type]  # all text, or all bytes
                    self._pieces, self._kept = [], 0
            elif isinstance(event, Ping):
                if not self.closing:
                    self.unsent += self._connection.send(event.response())
            elif isinstance(event, CloseConnection):
                self._closed_by(event)
        return whole

    def send(self, message: str | bytes) -> bytes:
        """The bytes of a message."""
        event = TextMessage(data=message) if isinstance(message, str) else BytesMessage(data=message)
        return self._connection.send(event)

    def close(self, code: int, reason: str = "") -> bytes:
        """The bytes that begin to close."""
        self.closing = True
        return self._connection.send(CloseConnection(code=code, reason=reason))

    def _closed_by(self, event: CloseConnection) -> None:
        if self._connection.state is ConnectionState.REMOTE_CLOSING:
            self.unsent += self._connection.send(event.response())
        elif self._connection.state is not ConnectionState.CLOSED:  # wsproto tells of broken rules by this event too
            invalid = event.code == CloseReason.INVALID_FRAME_PAYLOAD_DATA
            self._fail(failures.INVALID_UTF8 if invalid else failures.PROTOCOL_ERROR, event.code, event.reason or "")
            return
        self.closed = Closed(int(event.code), event.reason or "")

    def _fail(self, kind: str, code: int, what: str) -> None:
        self.closed = Closed(int(code), what, kind)
        if not self.closing:
            self.unsent += self.close(code)
