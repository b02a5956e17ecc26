"""HTTP/2: one connection of many streams, each of which the engine drives as it drives a connection of HTTP/1.1.

The library h2 speaks the protocol (frames, header compression, flow control); here requests are put on streams and
answers are timed. A stream lasts for one request; a `StreamSlot` sends one after the other, so a connection with ten
slots has up to ten requests in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from . import failures

if TYPE_CHECKING:
    from .connection import Connection
    from .lifecycle import Lifecycle

__all__ = ["Http2Session", "StreamSlot"]

_HEADER_LIST = 256 * 1024
_WINDOW = 1 << 24
_SETTINGS = {
    h2.settings.SettingCodes.ENABLE_PUSH: 0,
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: _HEADER_LIST,
}
_MOST_INTERIM = 32
_MOST_PARSED = 1024
_OF_THE_CONNECTION = (b"connection", b"host", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
_monotonic = time.monotonic

Headers = list[tuple[bytes, bytes]]


def taken_apart(message: bytes, scheme: bytes) -> tuple[Headers, bytes]:
    """The header list and the body of a request that is written out for HTTP/1.1 (RFC 9113 §8.2 and §8.3)."""
    head, _, body = message.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    host = next((value for name, value in fields if name == b"host"), b"")
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", host), (b":path", target)]
    return pseudo + [field for field in fields if field[0] not in _OF_THE_CONNECTION], body


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
        self.retried = self.number = self.index = self.received = self.status = self.interim = 0
        self.due = self.free = self.written = self.first_byte = 0.0
        self.opened = self.free = _monotonic()
        self.stream: int | None = None
        """None while the request waits for the server to allow another stream, and between requests."""
        self.unsent = b""
        self.message = b""

    def expect(self, *, head: bool) -> None:
        """Nothing to prepare: a stream knows its request's method."""

    def send(self, message: bytes, number: int, due: float, free: float, now: float) -> None:
        """Send a request; its response is `index`'s."""
        self.number = number
        self.due = due
        self.free = free
        self.written = now
        self.in_flight = True
        self.received = self.status = self.interim = 0
        self.first_byte = 0.0
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
        self._record(now, status)
        self._engine.count_failure(kind, self.index, example)
        self._spent(now)

    def answered(self, now: float) -> None:
        """The response is whole."""
        self.served = True
        self.stream = None
        self._record(now, self.status)
        if self._session.draining:
            self._spent(now)
        else:
            self._engine.connection_free(cast("Connection", self), now)

    def lost(self, kind: str, example: str, *, unprocessed: bool = False) -> None:
        """The request's stream ended without an answer. `unprocessed`: the server says that it did nothing with it."""
        self.unprocessed = unprocessed and not self.received
        if not self.status and self._engine.retry(cast("Connection", self), _monotonic()):
            return
        self.fail(kind, example)

    def idle_lost(self) -> None:
        """The connection ended while no request of this slot was on it."""
        self._engine.idle_connection_lost(cast("Connection", self))

    def _spent(self, now: float) -> None:
        self._engine.connection_spent(cast("Connection", self), now)

    def _record(self, now: float, status: int) -> None:
        self.in_flight = False
        self._engine.recorder.put(
            self.due, self.free, self.written, self.first_byte, now, self.number, self.received, self.index, status
        )


class _Connection(h2.connection.H2Connection):
    """h2 takes GOAWAY for the end of the connection; the server still answers what it took before (RFC 9113 §6.8)."""

    def _receive_goaway_frame(self, frame: Any) -> Any:
        state = self.state_machine.state
        received = super()._receive_goaway_frame(frame)
        self.state_machine.state = state
        return received


class Http2Session(asyncio.Protocol):
    """One connection. Await `ready` before its first request.

    Args:
        scheme: of the target, for the requests' `:scheme`.
    """

    def __init__(self, engine: Lifecycle, scheme: bytes) -> None:
        self.engine = engine
        self._scheme = scheme
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the server's settings came: it speaks HTTP/2."""
        self.ready.add_done_callback(lambda ready: ready.cancelled() or ready.exception())  # it may interest nobody
        self.reserved = 0
        """Slots that are promised while the connection is being opened."""
        self.draining = False
        """The server takes no further requests on this connection."""
        self.slots: set[StreamSlot] = set()
        self._streams: dict[int, StreamSlot] = {}
        self._waiting: deque[StreamSlot] = deque()
        self._parsed: dict[bytes, tuple[Headers, bytes]] = {}
        self._transport: asyncio.Transport | None = None
        self._over = False
        self._taking = False
        self._last_frame = 0.0
        config = h2.config.H2Configuration(client_side=True, header_encoding=False, validate_outbound_headers=False)
        self._h2 = _Connection(config)
        self._h2.local_settings = h2.settings.Settings(client=True, initial_values=_SETTINGS)

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
        self._waiting.append(slot)
        if not self._taking:  # else once all that arrived is taken: h2 may know already that the server goes away
            self._start_waiting()
            self._flush()

    def leave(self, slot: StreamSlot) -> None:
        """The slot is given up; the connection stays for the others."""
        self.slots.discard(slot)
        if slot in self._waiting:
            self._waiting.remove(slot)
        stream, slot.stream = slot.stream, None
        if stream is not None and self._streams.pop(stream, None) is not None and not self._over:
            try:
                self._h2.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            except h2.exceptions.ProtocolError:  # it has ended meanwhile
                pass
            # No whole frame since the request was written: on this connection nothing comes any more.
            self.draining = self.draining or self._last_frame <= slot.written
            self._start_waiting()
            self._flush()
        if not self.slots and self.draining:
            self.end()

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
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        now = _monotonic()
        if self._over:
            return
        if not self._last_frame and data.startswith(b"HTTP/"):
            self._broken(ValueError("it begins as HTTP/1.1"))
            return
        self._taking = True
        try:
            for event in self._h2.receive_data(data):
                self._last_frame = now
                self._take(event, now)
        except h2.exceptions.ProtocolError as error:
            self._broken(error)
            return
        finally:
            self._taking = False
        if not self._over:
            self._start_waiting()
            self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self.engine.transports.discard(self._transport)
        if error is not None:
            kind, text = failures.classify(error)
        else:
            kind, text = failures.CLOSED_BEFORE_RESPONSE, "the connection ended"
        if not self.ready.done():
            self.ready.set_exception(failures.NotHttp2Error("the connection ended before a frame of HTTP/2 came"))
        self._end_all(kind, text)

    # What arrives.

    def _take(self, event: h2.events.Event, now: float) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            if not self.ready.done():
                self.ready.set_result(None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._drain(event.last_stream_id or 0)
        elif isinstance(event, h2.events.WindowUpdated):
            for slot in list(self._streams.values()) if not event.stream_id else self._slots_of(event.stream_id):
                with contextlib.suppress(h2.exceptions.StreamClosedError):  # the event that tells so is yet to be taken
                    self._send_body(slot)
        else:
            for slot in self._slots_of(getattr(event, "stream_id", None)):
                self._take_for(slot, event, now)
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                # Also of streams that were given up: the connection's window is shared.
                self._acknowledge(event.flow_controlled_length, event.stream_id)

    def _take_for(self, slot: StreamSlot, event: h2.events.Event, now: float) -> None:
        slot.first_byte = slot.first_byte or now
        if isinstance(event, h2.events.ResponseReceived):
            slot.status = _status(event.headers or [])
            slot.received += sum(len(name) + len(value) for name, value in event.headers or [])
        elif isinstance(event, h2.events.DataReceived):
            slot.received += len(event.data or b"")
        elif isinstance(event, h2.events.InformationalResponseReceived):
            slot.interim += 1
            if slot.interim > _MOST_INTERIM:
                slot.fail(failures.INVALID_RESPONSE, f"more than {_MOST_INTERIM} informational responses")
        elif isinstance(event, h2.events.StreamEnded):
            del self._streams[cast("int", slot.stream)]
            self._drop_unsent(slot)
            slot.answered(now)
        elif isinstance(event, h2.events.StreamReset):
            del self._streams[cast("int", slot.stream)]
            slot.stream = None
            slot.unsent = b""
            refused = event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM
            slot.lost(failures.STREAM_RESET, f"the server reset it: {_name(event.error_code)}", unprocessed=refused)

    def _acknowledge(self, size: int, stream: int) -> None:
        try:
            self._h2.acknowledge_received_data(size, stream)
        except h2.exceptions.StreamClosedError:
            pass

    def _drain(self, last: int) -> None:
        """The server takes no further requests; those up to stream `last` it still answers."""
        self.draining = True
        late = [slot for stream, slot in self._streams.items() if stream > last]
        self._streams = {stream: slot for stream, slot in self._streams.items() if stream <= last}
        for slot in late + list(self._waiting):
            self._turn_away(slot)
        self._waiting.clear()
        for slot in list(self.slots):
            if not slot.in_flight:
                slot.idle_lost()
        if not self.slots:
            self.end()

    def _turn_away(self, slot: StreamSlot) -> None:
        """The server did nothing with the slot's request."""
        slot.stream = None
        if slot.in_flight:
            slot.lost(failures.CLOSED_BEFORE_RESPONSE, "the server takes no further requests here", unprocessed=True)

    def _broken(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if not self.ready.done():
            self.ready.set_exception(failures.NotHttp2Error(f"what it answered is no HTTP/2: {text}"))
        self._flush()
        self.end()
        self._end_all(failures.INVALID_RESPONSE, text)

    def _end_all(self, kind: str, text: str) -> None:
        if self._over:
            return
        self._over = self.draining = True
        self._streams.clear()
        self._waiting.clear()
        for slot in list(self.slots):
            slot.stream = None
            if not slot.in_flight:
                slot.idle_lost()
            elif slot.status:
                slot.fail(failures.CLOSED_IN_BODY, f"{text} after {slot.received} bytes of the response")
            else:
                slot.lost(kind, text)

    # What goes out.

    def _start_waiting(self) -> None:
        while self._waiting and not self.draining:
            if self._h2.open_outbound_streams >= self._h2.remote_settings.max_concurrent_streams:
                return
            self._start(self._waiting.popleft())

    def _start(self, slot: StreamSlot) -> None:
        headers, body = self._headers(slot.message)
        try:
            stream = self._h2.get_next_available_stream_id()
        except h2.exceptions.NoAvailableStreamIDError:
            self._waiting.appendleft(slot)
            self._drain(1 << 31)
            return
        slot.stream = stream
        self._streams[stream] = slot
        self._h2.send_headers(stream, headers, end_stream=not body)
        if body:
            slot.unsent = body
            self._send_body(slot)

    def _headers(self, message: bytes) -> tuple[Headers, bytes]:
        known = self._parsed.get(message)
        if known is None:
            if len(self._parsed) >= _MOST_PARSED:
                self._parsed.clear()
            known = self._parsed[message] = taken_apart(message, self._scheme)
        return known

    def _send_body(self, slot: StreamSlot) -> None:
        """As much of the request's body as the server's window allows."""
        while slot.unsent and slot.stream is not None:
            room = min(self._h2.local_flow_control_window(slot.stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece, slot.unsent = slot.unsent[:room], slot.unsent[room:]
            self._h2.send_data(slot.stream, piece, end_stream=not slot.unsent)

    def _drop_unsent(self, slot: StreamSlot) -> None:
        """The answer came before the end of the request's body: without the reset its stream would count as open."""
        if slot.unsent:
            slot.unsent = b""
            with contextlib.suppress(h2.exceptions.ProtocolError):  # the server has reset it behind its answer
                self._h2.reset_stream(cast("int", slot.stream), h2.errors.ErrorCodes.NO_ERROR)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _slots_of(self, stream: int | None) -> list[StreamSlot]:
        slot = None if stream is None else self._streams.get(stream)
        return [] if slot is None else [slot]


def _status(headers: Headers) -> int:
    return next((int(value) for name, value in headers if name == b":status"), 0)


def _name(code: int | None) -> str:
    try:
        return "an error" if code is None else h2.errors.ErrorCodes(code).name
    except ValueError:
        return f"error {code}"
