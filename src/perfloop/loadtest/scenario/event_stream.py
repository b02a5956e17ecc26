"""Server-sent events out of the bytes of a stream. Pure.

As the HTML standard has it: "Parsing an event stream" and "Interpreting an event stream", https://html.spec.whatwg.org/
multipage/server-sent-events.html.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .response import LARGEST_BODY

__all__ = ["EventParser", "EventTooLarge", "ServerSentEvent"]

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONGEST_RETRY = 18
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event. `event` is its type, `id` the last that the stream gave, `retry` the last reconnection time, in ms."""

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None


class EventTooLarge(ValueError):
    """An event of more bytes than are kept."""


class EventParser:
    """Give `feed` the stream piece by piece: it gives the events that became whole, however the pieces are cut.

    Args:
        largest: bytes of an event that are kept.
    """

    def __init__(self, largest: int = LARGEST_BODY) -> None:
        self._largest = largest
        self._pieces: list[bytes] = []
        """Of the line that is not whole yet."""
        self._after_return = False
        self._first_line = True
        self._data: list[str] = []
        self._type = self._id = ""
        self._retry: int | None = None
        self._open = self._kept = 0
        """Bytes of the line that is not whole yet, and of the data before it."""

    def feed(self, stream: bytes) -> list[ServerSentEvent]:
        """The events that end in this piece.

        Raises:
            EventTooLarge: it will not end within `largest` bytes.
        """
        if not stream:
            return []
        if self._after_return and stream.startswith(b"\n"):  # the line ended with the piece before
            stream = stream[1:]
        self._after_return = stream.endswith(b"\r")
        first, *further = _LINE_END.split(stream)
        self._pieces.append(first)
        self._open += len(first)
        events = []
        for following in further:
            line = b"".join(self._pieces)
            self._pieces, self._open = [following], len(following)
            if self._first_line:
                self._first_line = False
                line = line.removeprefix(_BYTE_ORDER_MARK)
            if line:
                self._take_field(line)
                continue
            if self._data:
                events.append(ServerSentEvent("\n".join(self._data), self._type or "message", self._id, self._retry))
            self._data, self._type, self._kept = [], "", 0
        if self._kept + self._open > self._largest:
            raise EventTooLarge(f"more than {self._largest} bytes without the end of the event")
        return events

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
                self._kept += len(line)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdecimal() and len(value) <= _LONGEST_RETRY:
                self._retry = int(value)
