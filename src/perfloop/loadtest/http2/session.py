"""One connection of many streams, each of which the engine drives as it drives a connection of HTTP/1.1.

A stream lasts for one request; a `StreamSlot` sends one after the other, so a connection with ten slots has up to ten
requests in flight.
"""

from __future__ import annotations

import asyncio
import math
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from .. import failures
from ..recording import NEVER_SENT_STATUS, TIMEOUT_STATUS
from .frames import ErrorCode, ViolationError
from .protocol import ClientConnection

if TYPE_CHECKING:
    from ..connection import Connection
    from ..lifecycle import Lifecycle
    from .streams import Stream

__all__ = ["Http2Session", "StreamSlot"]

_MOST_REPLIES = 10_000
_NAN = math.nan
_monotonic = time.monotonic


class StreamSlot:
    """Sends one request after the other, each on a stream of its own. To the engine it is a `Connection`."""

    # What the engine looks at and an HTTP/2 stream never needs: no head is read here, no parser chosen.
    held = b""
    usual_parser = True

    def __init__(self, session: Http2Session, failed_attempts: int) -> None:
        self._session = session
        self._engine = session.engine
        self.failed_attempts = failed_attempts
        self.in_flight = self.dead = self.served = self.unprocessed = False
        self.shared = session.used
        session.used = True
        self.retried = self.attempts = self.number = self.index = self.received = 0
        self.due = self.written = 0.0
        self.opened = self.free = _monotonic()
        self.message = b""
        self.stream: Stream | None = None
        """None while the request waits for the server to allow another stream, and between requests."""
        self.round = 0
        """The session's when the request came."""

    def expect(self, *, head: bool) -> None:
        """Nothing to prepare: a stream knows its request's method."""

    def send(self, message: bytes, number: int, due: float, free: float, now: float) -> None:
        """Send a request; its response is `index`'s."""
        self.number = number
        self.due = due
        self.free = free
        self.written = now
        self.in_flight = True
        self.received = 0
        self.message = message
        self._session.request(self)

    def close(self) -> None:
        """Give the slot up, and the answer that it may wait for."""
        if not self.dead:
            self.dead = True
            self.in_flight = False
            self._session.leave(self)

    def fail(self, kind: str, example: str, status: int = 0) -> None:
        """End the request in flight without an answer, and the slot with it."""
        now = _monotonic()
        if status == TIMEOUT_STATUS and self.stream is None:
            kind, example = failures.NEVER_SENT, self._session.why_waiting(now - self.written)
            self._record(now, NEVER_SENT_STATUS)
        else:
            self._record(now, status)
        self._engine.count_failure(kind, self.index, example)
        self._spent(now)

    def answered(self, stream: Stream, now: float) -> None:
        """The response is whole."""
        self.served = True
        self.in_flight = False
        self.stream = None
        self._engine.recorder.put(
            self.due,
            self.free,
            self.written,
            stream.first_byte,
            now,
            self.number,
            stream.received,
            self.index,
            stream.status,
        )
        own: Any = self  # to the engine a `Connection`; a cast would be a call, and this is every request's path
        if self._session.draining:
            self._engine.connection_spent(own, now)
        else:
            self._engine.connection_free(own, now)

    def failed(self, kind: str, example: str, *, unprocessed: bool = False) -> None:
        """The stream ended without a response."""
        if unprocessed:
            self.lost(kind, example, unprocessed=True)
        else:
            self.fail(kind, example)

    def lost(self, kind: str, example: str, *, unprocessed: bool = False) -> None:
        """The request was lost with the connection. `unprocessed`: the server surely did nothing with it."""
        self.unprocessed = unprocessed
        heard = self.stream is not None and self.stream.first_byte
        if heard or not self._engine.retry(cast("Connection", self), _monotonic()):
            self.fail(kind, example)

    def idle_lost(self) -> None:
        """The connection ended while no request of this slot was on it."""
        self._engine.idle_connection_lost(cast("Connection", self))

    def _spent(self, now: float) -> None:
        self._engine.connection_spent(cast("Connection", self), now)

    def _record(self, now: float, status: int) -> None:
        self.in_flight = False
        free, written, first_byte, stream = self.free, self.written, 0.0, self.stream
        if stream is None:
            free = written = _NAN
        else:
            first_byte, self.received = stream.first_byte, stream.received
        self._engine.recorder.put(
            self.due, free, written, first_byte, now, self.number, self.received, self.index, status
        )


class Http2Session(asyncio.Protocol):
    """One connection. Await `ready` before its first request.

    Args:
        scheme: of the target, for the requests' `:scheme`.
    """

    def __init__(self, engine: Lifecycle, scheme: bytes) -> None:
        self.engine = engine
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the server's settings came: it speaks HTTP/2."""
        self.ready.add_done_callback(lambda ready: ready.cancelled() or ready.exception())  # it may interest nobody
        self.reserved = 0
        """Slots that are promised while the connection is being opened."""
        self.used = False
        """It has had a slot."""
        self.draining = False
        """The server takes no further requests on this connection."""
        self.slots: set[StreamSlot] = set()
        # Weakly: a run keeps the garbage collector quiet, so what refers to itself would stay for good.
        self._wire = ClientConnection(weakref.proxy(self), scheme)
        self._waiting: deque[StreamSlot] = deque()
        self._transport: asyncio.Transport | None = None
        self._why = ""
        """Why the server goes away, in brackets."""
        self._over = self._taking = False
        self._last_frame = 0.0
        self._round = 0
        """Grows whenever streams may have become free."""

    # What slots call.

    def slot(self, failed_attempts: int) -> StreamSlot:
        """One more slot."""
        slot = StreamSlot(self, failed_attempts)
        self.slots.add(slot)
        return slot

    def request(self, slot: StreamSlot) -> None:
        """Send the slot's request, once the server allows another stream."""
        if self._over or self.draining:
            # Not inside send(): whoever sends is in the middle of deciding what comes next.
            asyncio.get_running_loop().call_soon(self._turn_away, slot)
            return
        slot.round = self._round
        self._waiting.append(slot)
        if not self._taking:  # else once all that arrived is taken: the server's GOAWAY may be in it
            self._start_waiting(slot.written)
            self._flush()

    def leave(self, slot: StreamSlot) -> None:
        """The slot is given up; the connection stays for the others."""
        self.slots.discard(slot)
        if slot in self._waiting:
            self._waiting.remove(slot)
        stream, slot.stream = slot.stream, None
        if stream is not None and stream.number in self._wire.streams and not self._over:
            self._wire.give_up(stream)
            if self._last_frame <= slot.written and not self.draining:
                # No whole frame since the request was written: on this connection nothing comes any more.
                self.draining = True
                asyncio.get_running_loop().call_soon(self._drain, [])
            self._round += 1
            if not self._taking:
                self._start_waiting(_monotonic())
                self._flush()
        if not self.slots and self.draining:
            self.end()

    def why_waiting(self, seconds: float) -> str:
        """Why a request was not sent for so long."""
        most = self._wire.most_streams
        return f"for {seconds:.3g} s the server allowed no further stream (SETTINGS_MAX_CONCURRENT_STREAMS is {most})"

    @property
    def negotiated(self) -> str | None:
        """The protocol that TLS chose; None without TLS, or when it chose none."""
        tls = None if self._transport is None else self._transport.get_extra_info("ssl_object")
        return None if tls is None else cast("str | None", tls.selected_alpn_protocol())

    def give_up(self, error: BaseException) -> None:
        """It could not be opened; who waits for it is told so."""
        self.draining = True
        if not self.ready.done():
            told = error if isinstance(error, OSError | TimeoutError) else ConnectionError("it was not opened")
            self.ready.set_exception(told)
        self.end()

    def end(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.engine.transports.add(self._transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        now = _monotonic()
        if self._over:
            return
        wire = self._wire
        if not wire.frames and data.startswith(b"HTTP/"):
            self._broken(ViolationError("it begins as HTTP/1.1"))
            return
        before = wire.frames
        self._round += 1
        self._taking = True
        try:
            if wire.replies > _MOST_REPLIES:
                self._expect_read_replies()
            wire.receive(data, now)
        except ViolationError as error:
            self._broken(error)
            return
        finally:
            self._taking = False
            if wire.frames != before:
                self._last_frame = now
        self._start_waiting(now)
        self._flush()

    def pause_writing(self) -> None:
        self._wire.paused = True

    def resume_writing(self) -> None:
        if not self._over:
            self._wire.resume()
            self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self.engine.transports.discard(self._transport)
        if not self.ready.done():
            self.ready.set_exception(failures.NotHttp2Error("the connection ended before a frame of HTTP/2 came"))
        if self._over:
            return
        kind, text = failures.CLOSED_BEFORE_RESPONSE, "the connection ended"
        if error is not None:
            kind, text = failures.classify(error)
        text += self._why
        for slot in self._end_all():
            stream = slot.stream
            if stream is not None and stream.status:
                slot.fail(failures.CLOSED_IN_BODY, f"{text} after {stream.received} bytes of the response")
            else:
                slot.lost(kind, text, unprocessed=stream is None)

    # What the protocol calls.

    def settings_came(self) -> None:
        """The server speaks HTTP/2."""
        if not self.ready.done():
            self.ready.set_result(None)

    def going_away(self, untouched: list[Stream], why: str) -> None:
        """The server takes no further requests; those on streams that are still open it answers."""
        if why:
            self._why = f" ({why})"
            self.engine.events.add(f"server went away: {why}", "")
        self._drain([stream.owner for stream in untouched])

    def unsolicited(self, what: str) -> None:
        """The server sent something for a stream that is over."""
        self.engine.events.add("unsolicited data", what)

    def _drain(self, untouched: list[StreamSlot]) -> None:
        self.draining = True
        for slot in [*untouched, *self._waiting]:
            self._turn_away(slot)
        self._waiting.clear()
        for slot in list(self.slots):
            if not slot.in_flight:
                slot.idle_lost()
        if not self.slots:
            self.end()

    def _turn_away(self, slot: StreamSlot) -> None:
        """The server did nothing with the slot's request."""
        if slot.in_flight:
            example = f"the server takes no further requests here{self._why}"
            slot.lost(failures.CLOSED_BEFORE_RESPONSE, example, unprocessed=True)

    def _expect_read_replies(self) -> None:
        assert self._transport is not None
        if self._transport.get_write_buffer_size():
            raise ViolationError(
                f"more than {_MOST_REPLIES} PING and SETTINGS, and no answer is read", ErrorCode.ENHANCE_YOUR_CALM
            )
        self._wire.replies = 0

    def _broken(self, error: ViolationError) -> None:
        if not self.ready.done():
            self.ready.set_exception(failures.NotHttp2Error(f"what it answered is no HTTP/2: {error}"))
        self._wire.end(error.code)
        self._flush()
        if self._transport is not None:
            self._transport.close()  # not abort: the server is to learn why
        for slot in self._end_all():
            if slot.stream is None:
                slot.lost(error.kind, str(error), unprocessed=True)
            else:
                slot.fail(error.kind, str(error))

    def _end_all(self) -> list[StreamSlot]:
        """Nothing comes any more: the slots whose requests are in flight."""
        self._over = self.draining = True
        self._waiting.clear()
        slots = list(self.slots)
        for slot in slots:
            if not slot.in_flight:
                slot.idle_lost()
        return [slot for slot in slots if slot.in_flight]

    # What goes out.

    def _start_waiting(self, now: float) -> None:
        """Args: now: since when a stream is free, if one is."""
        waiting, wire = self._waiting, self._wire
        while waiting and not self.draining and len(wire.streams) < wire.most_streams:
            if wire.exhausted:
                self._drain([])
                return
            slot = waiting.popleft()
            if slot.round < self._round:  # it had to wait for another stream to end
                slot.free, slot.written = now, _monotonic()
            slot.stream = wire.request(slot.message, slot)

    def _flush(self) -> None:
        data = self._wire.output()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
