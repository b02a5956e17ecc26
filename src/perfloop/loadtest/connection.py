"""One HTTP/1.1 client connection: writes prepared requests, reads responses, one at a time.

This is the hot path. A whole response in one segment, with a head seen before, runs one Python function here,
`data_received`; with a new head also the parser's `on_message_complete`. No callback sees headers or bodies; nothing of
a response is kept, but for its head when it does not arrive whole, because only the head tells whether the end of the
connection ends the body or cuts it off.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, cast

import httptools

from . import failures
from .heads import FRAMING
from .recording import ENTRY, FOLD_AT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .heads import KnownHead
    from .lifecycle import Lifecycle

__all__ = ["Connection"]

_LARGEST_HEAD = 256 * 1024
_SWITCHING_PROTOCOLS = 101
_MOST_INTERIM = 32
_ENTRY_SIZE = ENTRY.size
_ONE = (None,)
_monotonic = time.monotonic
_pack_into = ENTRY.pack_into
_write_to_socket: Callable[[int, bytes], int] = os.write


class _UnsolicitedDataError(Exception):
    """The server sent what no request asked for."""


class Connection(asyncio.Protocol):
    """One connection of the load engine. The engine sets up a request in its slots and writes it.

    `due`, `free`, `written`, `first_byte` are the times of the request in flight; `first_byte` is 0 until there is one,
    `status` 0 until the response is whole; both, and `received`, are 0 whenever a request is sent. `held` is the head
    of a response that came in pieces; `first` the last response that came whole behind a known head, `head`.
    """

    __slots__ = (
        "_descriptor",
        "_engine",
        "_feed",
        "_free",
        "_get_status",
        "_head_known",
        "_keep_alive",
        "_known",
        "_parser",
        "_recorder",
        "_should_keep_alive",
        "attempts",
        "dead",
        "due",
        "expected",
        "failed_attempts",
        "first",
        "first_byte",
        "free",
        "head",
        "held",
        "in_flight",
        "index",
        "interim",
        "number",
        "on_message_begin",
        "opened",
        "received",
        "retried",
        "served",
        "status",
        "transport",
        "usual_parser",
        "write",
        "written",
    )

    shared = False
    """It is a further stream of a connection that was open: only over HTTP/2 there are."""
    unprocessed = False
    """The server said that it did nothing with the request: only over HTTP/2 it can."""

    def __init__(self, engine: Lifecycle, failed_attempts: int = 0) -> None:
        self._engine = engine
        self._free = engine.connection_free
        self._recorder = engine.recorder
        self._known = engine.known_heads.entries
        self.failed_attempts = failed_attempts
        """How many of this connection's predecessors in a row were lost without a byte of a response."""
        self.transport: asyncio.Transport | None = None
        self.in_flight = False
        self.dead = False
        self.served = False
        self.retried = self.attempts = 0
        """The number of the request that was sent before on another connection, and how often."""
        self.number = self.index = self.interim = self.received = self.status = 0
        self.due = self.free = self.written = self.first_byte = self.opened = 0.0
        self.held = self.first = b""
        self.head: KnownHead | None = None
        self._head_known = False
        self._keep_alive = False
        # One entry for the response that is expected next. The parser takes it when a response begins, without running
        # Python; a second response finds none, and that fails the parser.
        self.expected: list[None] = [None]
        self.on_message_begin = self.expected.pop
        self._descriptor = -1
        self.write: Callable[[int, bytes], int] = self._write_to_transport
        self._use_parser(None)

    # What the engine calls.

    def expect(self, *, head: bool) -> None:
        """Prepare for a response that is out of the ordinary, or follows one that was.

        Args:
            head: it answers HEAD, so whatever its Content-Length says, it ends with its headers.
        """
        self.held = b""
        self._head_known = False
        self.expected[:] = _ONE
        if head or not self.usual_parser:
            self._use_parser(_HeadReader(self) if head else None)

    def send(self, message: bytes, number: int, due: float, free: float, now: float) -> None:
        """Write a request; its response is `index`'s."""
        self.number = number
        self.due = due
        self.free = free
        self.written = now
        self.in_flight = True
        try:
            written = self.write(self._descriptor, message)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._ended(error)
            return
        if written != len(message):
            # The socket is full. From here on the transport keeps the order, on this connection.
            self.write = self._write_to_transport
            self._write_to_transport(0, message[written:])

    def close(self) -> None:
        """Give the connection up: whatever still arrives is ignored."""
        self.dead = True
        self.in_flight = False
        if self.transport is not None:
            self.transport.abort()

    def fail(self, kind: str, example: str, status: int = 0) -> None:
        """End the request in flight without an answer, and the connection with it."""
        now = _monotonic()
        self._record(now, status)
        self._engine.count_failure(kind, self.index, example)
        self._engine.connection_spent(self, now)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        self.transport = stream
        # A transport may write later, at the end of the loop's round; straight to the socket, the time is the true one.
        self._descriptor = stream.get_extra_info("socket").fileno()
        self.write = _write_to_socket if stream.get_extra_info("ssl_object") is None else self._write_to_transport
        self.opened = self.free = _monotonic()
        self._engine.transports.add(stream)

    def data_received(self, data: bytes) -> None:
        now = _monotonic()
        if not self.in_flight:
            self._unsolicited(len(data))
            return
        size = len(data)
        known = self._known.get(size)
        if known is not None and data.startswith(known[0]) and not self.received:
            status = known[1]
            first_byte = now
            self.first = data
            self.head = known
            lasting = True
        elif self._parse(data, now):
            status = self.status
            size = self.received
            first_byte = self.first_byte
            lasting = self._keep_alive
            self.interim = self.received = self.status = 0
            self.first_byte = 0.0
        else:
            return
        # Answered. Written out rather than called: this is every request's path.
        self.in_flight = False
        self.served = True
        recorder = self._recorder
        offset = recorder.offset
        _pack_into(
            recorder.buffer,
            offset,
            self.due,
            self.free,
            self.written,
            first_byte,
            now,
            self.number,
            size,
            self.index,
            status,
        )
        recorder.offset = offset = offset + _ENTRY_SIZE
        if lasting:
            self._free(self, now)
        else:
            self._engine.connection_spent(self, now)
        if offset >= FOLD_AT:
            recorder.full()

    def eof_received(self) -> bool:
        self._ended(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if self.transport is not None:
            self._engine.transports.discard(self.transport)
        self._ended(error)
        self.transport = None

    # What the parser calls.

    def on_message_complete(self) -> None:
        status = self._get_status()
        if status >= 200:
            self.status = status
            self._keep_alive = self._should_keep_alive()
        elif status == _SWITCHING_PROTOCOLS:
            self.status = status
        else:  # informational: the final response follows
            self.interim += 1
            if self.interim > _MOST_INTERIM:
                raise _UnsolicitedDataError(f"more than {_MOST_INTERIM} informational responses")
            self.expected.append(None)

    # Off the hot path.

    def _parse(self, data: bytes, now: float) -> bool:
        """Feed the parser; true when the response is whole, its status in `status`."""
        in_one_piece = not self.received
        self.received += len(data)
        if in_one_piece:
            self.first_byte = now
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.status < 200:
                self._broken(error)
                return False
            # The response is whole, but more came behind it.
            self._keep_alive = in_one_piece = False
            self._engine.events.add("unsolicited data", f"more than one response to {self._label()}")
        if not self.status:
            self._hold(data)
            return False
        self.expected[:] = _ONE
        if in_one_piece and self._keep_alive and self.usual_parser:
            self._engine.known_heads.learn(data, self.status, now)
        return True

    def _write_to_transport(self, _descriptor: int, message: bytes) -> int:
        assert self.transport is not None
        self.transport.write(message)
        return len(message)

    def _use_parser(self, reader: _HeadReader | None) -> None:
        self.usual_parser = reader is None
        self._parser: Any = httptools.HttpResponseParser(self if reader is None else reader)
        self._feed = self._parser.feed_data
        self._get_status = self._parser.get_status_code
        self._should_keep_alive = self._parser.should_keep_alive
        if reader is not None:
            reader.parser = self._parser

    def head_complete(self, *, keep_alive: bool) -> None:
        """The headers of a response to HEAD are whole, and with them the response."""
        self.status = self._get_status()
        self._keep_alive = keep_alive

    def _hold(self, data: bytes) -> None:
        """Keep the head of a response that is not whole yet, and nothing behind it."""
        if self._head_known:
            return
        held = self.held + data
        while True:
            end = held.find(b"\r\n\r\n")
            if end < 0:
                break
            if held[9:10] != b"1":
                self.held = held[: end + 2]
                self._head_known = True
                return
            held = held[end + 4 :]  # informational: the final response follows
        self.held = held
        if len(held) > _LARGEST_HEAD:
            self.fail(failures.RESPONSE_HEAD_TOO_LARGE, f"{len(held)} bytes without the end of the headers")

    def _ends_with_connection(self) -> bool:
        """The body is delimited by the end of the connection: neither a length nor chunks say otherwise."""
        if not self._head_known:
            return False
        framing = {name.lower(): value.strip().lower() for name, value in FRAMING.findall(self.held)}
        encoding = framing.get(b"transfer-encoding")
        if encoding is not None:
            return not encoding.endswith(b"chunked")
        return b"content-length" not in framing

    def _record(self, now: float, status: int) -> None:
        self.in_flight = False
        self._recorder.put(
            self.due,
            self.free,
            self.written,
            self.first_byte,
            now,
            self.number,
            self.received,
            self.index,
            status,
        )

    def _label(self) -> str:
        return self._engine.prepared[self.index].label

    def _unsolicited(self, size: int) -> None:
        self._recorder.bytes_received += size
        if self.dead:
            return
        self._engine.events.add("unsolicited data", f"{size} bytes that no request asked for")
        self._engine.idle_connection_lost(self)

    def _broken(self, error: Exception) -> None:
        if self.status == _SWITCHING_PROTOCOLS:
            self.fail(failures.UNEXPECTED_UPGRADE, "answered with 101 Switching Protocols, which nobody asked for")
        else:
            self.fail(failures.INVALID_RESPONSE, f"{error} (within {self.received} bytes)")

    def _ended(self, error: Exception | None) -> None:
        """The server closed the connection, or it was lost."""
        if self.dead:
            return
        if not self.in_flight:
            self._engine.idle_connection_lost(self)
            return
        now = _monotonic()
        if not self.received:
            if self._engine.retry(self, now):
                return
            kind, example = failures.CLOSED_BEFORE_RESPONSE, "the connection ended before a byte of the response"
        elif error is None and self._ends_with_connection():
            self._record(now, self._get_status())
            self.served = True
            self._engine.connection_spent(self, now)
            return
        else:
            kind = failures.CLOSED_IN_BODY if self._head_known else failures.CLOSED_IN_HEADERS
            example = f"the connection ended after {self.received} bytes of the response"
        if error is not None:
            kind, text = failures.classify(error)
            example = f"{example}: {text}"
        self.fail(kind, example)


class _HeadReader:
    """Reads the response to HEAD: the parser cannot know the request's method and would wait for a body."""

    __slots__ = ("_close", "_connection", "_keep_alive", "parser")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._close = self._keep_alive = False
        self.parser: Any = None

    def on_message_begin(self) -> None:
        self._close = self._keep_alive = False
        if self._connection.status:
            raise _UnsolicitedDataError

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"connection":
            tokens = {token.strip() for token in value.lower().split(b",")}
            self._close = self._close or b"close" in tokens
            self._keep_alive = self._keep_alive or b"keep-alive" in tokens

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status >= 200:
            # The parser's own answer counts a body without length as ending the connection: here there is no body.
            lasting = self._keep_alive if self.parser.get_http_version() == "1.0" else True
            self._connection.head_complete(keep_alive=lasting and not self._close)
        elif status == _SWITCHING_PROTOCOLS:
            self._connection.status = status

    def on_body(self, body: bytes) -> None:
        raise _UnsolicitedDataError
