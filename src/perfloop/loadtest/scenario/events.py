"""Server-sent events of a scenario's users: `async with user.events("/news") as events`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

from .. import failures
from .event_stream import EventParser, EventTooLarge, ServerSentEvent
from .session import Came, End, Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from .response import Response
    from .user import User

__all__ = ["EventStream"]

_TYPE = "text/event-stream"
_HEADERS = {"Accept": _TYPE, "Cache-Control": "no-store"}


class EventStream(Session):
    """The events of a stream: `async for event in events`. It ends with the stream: there is no reconnecting."""

    verb = "events"
    opening = ("SSE", "first event")
    further = "further events"

    def __init__(self, user: User, path: str, headers: Mapping[str, str], values: Mapping[str, object]) -> None:
        given = {name.lower() for name in headers}
        own = {name: value for name, value in _HEADERS.items() if name.lower() not in given}
        super().__init__(user, path, headers, own, values)
        self._events = EventParser()
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._whole = self._begun = self._first_taken = False

    async def __aenter__(self) -> EventStream:
        await self._open(lambda: self.response)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if kind is None and self._end is not None and not self._end.well and not self._left:
            self._failure(None if self._first_taken else self._opening)  # it went wrong while nobody was waiting
        elif self._inbox and not self._first_taken:
            self._first(self._taken())  # it came, though nobody looked
        self.hang_up()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> ServerSentEvent:
        """The next event.

        Raises:
            RequestFailed: none came within the timeout, or the stream broke.
        """
        if not self._opened:
            await self._open(lambda: self.response)
        self._check_open()
        if not self._first_taken:
            with self._counted(self._opening):
                first = await self._timed(self._opening)
            return self._first(first)
        came = await self._further()
        if came is None:
            self.hang_up()
            raise StopAsyncIteration
        event: ServerSentEvent = came.item
        return event

    def _first(self, came: Came) -> ServerSentEvent:
        self._first_taken = True
        assert self.response is not None
        self._answered(self._opening, came, self.response)
        event: ServerSentEvent = came.item
        return event

    def _close(self) -> None:
        if self._transport is not None:  # there is nothing left to send, and over TLS the server may never close
            self._transport.abort()

    # What comes.

    def _accept(self, response: Response, now: float) -> End | None:
        if response.status != 200:
            kind = failures.NO_EVENT_STREAM if response.status < 400 else f"status {response.status}"
            return End(kind, f"answered with {response.status}", response.status)
        found = response.headers.get("content-type", "")
        if found.partition(";")[0].strip().lower() != _TYPE:
            return End(failures.NO_EVENT_STREAM, f"expected Content-Type {_TYPE}, got {found or 'none'}", 200)
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            return End(failures.NO_EVENT_STREAM, f"expected no Content-Encoding, got {encoding}", 200)
        self._take(self._head, now)
        return self._end

    def _take(self, data: bytes, now: float) -> None:
        try:
            self._parser.feed_data(data)
            for part in self._body:
                for event in self._events.feed(part):
                    self._put(event, now, len(event.data))
                    self._begun = True
        except EventTooLarge as error:
            self.fail(End(failures.MESSAGE_TOO_LARGE, str(error)))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(End(failures.INVALID_RESPONSE, str(error)))
        self._body.clear()
        if self._whole:
            self._finish(self._end_of_stream())

    def _lost(self) -> End:
        assert self.response is not None
        headers = self.response.headers
        if "content-length" in headers or headers.get("transfer-encoding", "").lower().endswith("chunked"):
            return End(failures.CLOSED_IN_BODY, "the connection ended in the midst of the stream")
        return self._end_of_stream()

    def _end_of_stream(self) -> End:
        if self._begun:
            return End("end of stream", "the stream has no more events", well=True)
        return End(failures.STREAM_ENDED, "the stream ended without an event")

    # What the parser calls.

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._whole = True
