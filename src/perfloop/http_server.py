"""A small HTTP server in a thread of its own, for the few who watch a command while it runs.

It shares the process with a load generator and is open to whoever finds the port. So one event loop serves everybody,
nobody keeps it for longer than its patience or from ending, and what it holds for its clients is bounded: they can
slow it down, never the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["HttpServer", "Request", "Response"]

PATIENCE_SECONDS = 5.0
"""Within so many a client has sent its request and taken the answer."""

_LONGEST_HEAD = 16_384
_MOST_CONNECTIONS = 64
_MOST_STREAMS = 16
_MOST_UNREAD = 1_000_000
"""Bytes that a stream's reader may be behind."""
_ENDING_SECONDS = 0.3
"""How long the last bytes may take to those who read."""


class Request(NamedTuple):
    """The head of a request; there are no bodies."""

    method: str
    path: str
    """Without the query."""
    headers: dict[str, str]
    """By their name in lower case; several of one name are joined by commas."""
    query: str = ""
    """What stands behind the question mark."""


class Response(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    """The body goes on with all that the server's `tick` gives."""

    @classmethod
    def text(cls, status: int, words: str, *headers: tuple[str, str]) -> Response:
        """A line of plain text."""
        return cls(status, "text/plain; charset=utf-8", f"{words}\n".encode(), headers)


class HttpServer:
    """Answers GET and HEAD from entering to leaving.

    Args:
        host: address to listen on.
        port: 0 takes a free one; `url` says which.
        answer: called in the server's thread with each request.
        tick: called in the server's thread regularly and once at the end; what it gives goes to every stream.
        every: seconds between two ticks.
        serves: what is served, for messages.
        where: the option the address came from, for messages.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """

    def __init__(
        self,
        host: str,
        port: int,
        answer: Callable[[Request], Response],
        *,
        tick: Callable[[], bytes] | None = None,
        every: float = 1.0,
        serves: str = "metrics",
        where: str | None = None,
    ) -> None:
        self._answer = answer
        self._tick = tick
        self._every = every
        self._stop = asyncio.Event()
        self._emptied = asyncio.Event()
        self._connections: dict[_Connection, None] = {}
        try:
            family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self._socket = socket.create_server(address[:2], family=family)
        except OSError as error:
            raise ConfigurationError(
                f"Expected an address that {serves} can be served on: {error.strerror or error}",
                got=f"{host}:{port}",
                where=where,
                hint="another port, or port 0 for any that is free",
            ) from error
        self._address: tuple[str, int] = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._run, name="perfloop-http", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        host, port = self._address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def __enter__(self) -> HttpServer:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(RuntimeError):  # its loop is closed: what ended it was told
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with contextlib.closing(self._loop) as loop, self._socket:
            loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: _Connection(self, self._loop), sock=self._socket)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._every)
            self._publish()
        server.close()
        for connection in list(self._connections):
            connection.end()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), _ENDING_SECONDS)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)  # they are told of it in the next round

    def _publish(self) -> None:
        if self._tick is None:
            return
        data = self._tick()
        for connection in [each for each in self._connections if each.streaming]:
            connection.send(data)

    def opened(self, connection: _Connection) -> None:
        """Count a connection in; where there are too many, the one that has kept us waiting the longest goes."""
        self._connections[connection] = None
        self._emptied.clear()
        if len(self._connections) > _MOST_CONNECTIONS:
            oldest = next(each for each in self._connections if not each.streaming)
            oldest.abort()
            self.lost(oldest)

    def lost(self, connection: _Connection) -> None:
        """Count a connection out."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._emptied.set()

    def respond(self, head: bytes) -> tuple[Response, bool]:
        """The answer to the head of a request, and whether its body goes with it."""
        request = _parsed(head)
        if request is None:
            return Response.text(400, "expected an HTTP/1.1 request"), True
        if request.method not in ("GET", "HEAD"):
            return Response.text(405, "expected GET", ("Allow", "GET, HEAD")), True
        response = self._answer(request)
        if response.stream and sum(each.streaming for each in self._connections) >= _MOST_STREAMS:
            response = Response.text(503, f"{_MOST_STREAMS} others are watching already")
        return response, request.method == "GET"


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the end."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._head = bytearray()
        self.streaming = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Counts to the very end: also who takes no answer has to go.
        self._patience = self._loop.call_later(PATIENCE_SECONDS, transport.abort)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        if self.streaming:  # nobody who reads a stream has anything to say
            self.abort()
            return
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0 and len(self._head) <= _LONGEST_HEAD:
            return
        if 0 <= end <= _LONGEST_HEAD:
            response, whole = self._server.respond(bytes(self._head[:end]))
        else:
            response, whole = Response.text(431, "expected a shorter request"), True
        self._head.clear()
        self._transport.write(_written(response, whole))
        if response.stream and whole:
            self.streaming = True
            self._patience.cancel()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._patience.cancel()
        self._server.lost(self)

    def send(self, data: bytes) -> None:
        """Go on with the stream; a reader who is too far behind has stopped reading."""
        if self._transport.get_write_buffer_size() > _MOST_UNREAD:
            self.abort()
        elif data:
            self._transport.write(data)

    def end(self) -> None:
        """Close it once its answer or stream is written; at once where none was asked for."""
        if self.streaming or self._transport.is_closing():
            self._transport.close()
        else:
            self.abort()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()


def _parsed(head: bytes) -> Request | None:
    start, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = start.partition(" ")
    target, _, version = rest.partition(" ")
    if not target.startswith("/") or not version.startswith("HTTP/1."):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            return None
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    path, _, query = target.partition("?")
    return Request(method, path, headers, query)


def _written(response: Response, whole: bool) -> bytes:
    fields = [("Content-Type", response.content_type), ("Connection", "close"), *response.headers]
    if not response.stream:
        fields.append(("Content-Length", str(len(response.body))))
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (response.body if whole else b"")
