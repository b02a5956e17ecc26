"""HTTP/2 servers for tests: one that h2 drives, one that writes raw frames, and nginx."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import struct
import subprocess
import time
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
import pytest
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, RstStreamFrame

from perfloop.loadtest import LoadOptions

from .serving import kinds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

REPLY = [(":status", "200"), ("content-type", "text/plain")]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Peer(asyncio.Protocol):
    """One connection of the server. `handle(peer, stream, headers, body)` is called for each whole request."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.requests: dict[int, list[Any]] = {}
        self.position = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.server.peers.append(self)
        self.h2.local_settings = h2.settings.Settings(client=False, initial_values=self.server.settings)
        self.h2.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived) and self.server.early:
                self.server.early(self, event.stream_id, dict(event.headers))
            elif isinstance(event, h2.events.RequestReceived):
                self.requests[event.stream_id] = [dict(event.headers), b""]
            elif isinstance(event, h2.events.DataReceived) and not self.server.early:
                self.requests[event.stream_id][1] += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self.requests:
                headers, body = self.requests.pop(event.stream_id)
                self.server.seen.append((headers, body))
                self.server.most = max(self.server.most, self.h2.open_inbound_streams)
                self.server.handle(self, event.stream_id, headers, body)
                self.position += 1
            elif isinstance(event, h2.events.StreamReset):
                self.server.resets.append(event.error_code)
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.h2.data_to_send())

    def answer(self, stream: int, body: bytes = b"ok", headers=REPLY) -> None:
        self.h2.send_headers(stream, headers)
        self.h2.send_data(stream, body, end_stream=True)
        self.flush()


class Server:
    def __init__(self, handle: Callable[..., None], settings: dict[int, int]) -> None:
        self.handle = handle
        self.settings = settings
        self.peers: list[Peer] = []
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.resets: list[int] = []
        self.most = 0
        self.url = ""
        self.early: Callable[..., None] | None = None
        """Called instead of `handle`, when the headers of a request are there and before its body."""


@contextlib.asynccontextmanager
async def serving(
    handle, settings: dict[int, int] | None = None, *, tls=None, unix_path: str | None = None
) -> AsyncIterator[Server]:
    server = Server(handle, settings or {})
    loop = asyncio.get_running_loop()
    if unix_path is not None:
        listening = await loop.create_unix_server(lambda: Peer(server), unix_path)
        server.url = f"http+unix://{unix_path.replace('/', '%2F')}/items?page=1"
    else:
        listening = await loop.create_server(lambda: Peer(server), "127.0.0.1", 0, ssl=tls)
        port = listening.sockets[0].getsockname()[1]
        server.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/items?page=1"
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.transport.abort()


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ENDS, WHOLE, PADDED = 1, 4, 8
MAX_STREAMS, FIRST_WINDOW = 3, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    numbers = {"most_streams": MAX_STREAMS, "first_window": FIRST_WINDOW, "push": 2, "largest": 5, "table": 1}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", numbers[name], value) for name, value in values.items()))


def number(value: int) -> bytes:
    return struct.pack(">I", value)


def section(*fields: tuple[str, str], flags: int = WHOLE, stream: int = 1, literal: bool = True) -> bytes:
    """HEADERS whose block does not depend on what came before."""
    block = hpack.Encoder().encode([(name, value, literal) for name, value in fields])
    return frame(HEADERS, flags, stream, block)


def ok(stream: int) -> bytes:
    return section((":status", "200"), stream=stream) + frame(DATA, ENDS, stream, b"ok")


class RawPeer(asyncio.Protocol):
    """One connection of a server that writes what it is told: `answer(peer, stream)` for each whole request."""

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.held = b""
        self.position = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.server.peers.append(self)
        transport.write(self.server.greeting)

    def data_received(self, data: bytes) -> None:
        self.held += data
        self.held = self.held.removeprefix(PREFACE)
        while len(self.held) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.held[:9]))
            if len(self.held) < 9 + length:
                break
            frame.parse_body(memoryview(self.held[9 : 9 + length]))
            self.held = self.held[9 + length :]
            self.server.frames.append(frame)
            if isinstance(frame, HeadersFrame) and "END_STREAM" not in frame.flags and self.server.early:
                self.server.early(self, frame.stream_id)
            if isinstance(frame, HeadersFrame | DataFrame | ContinuationFrame) and "END_STREAM" in frame.flags:
                self.server.requests += 1
                self.server.answer(self, frame.stream_id)
                self.position += 1

    def write(self, *frames: bytes) -> None:
        self.transport.write(b"".join(frames))


class RawServer:
    def __init__(self, answer: Callable[[RawPeer, int], None], greeting: bytes) -> None:
        self.answer = answer
        self.greeting = greeting
        self.peers: list[RawPeer] = []
        self.frames: list[Frame] = []
        """What the client sent."""
        self.early: Callable[[RawPeer, int], None] | None = None
        """Called when the headers of a request with a body are there."""
        self.requests = 0
        self.url = ""

    @property
    def resets(self) -> list[int]:
        """The error codes of the client's RST_STREAM."""
        return [frame.error_code for frame in self.frames if isinstance(frame, RstStreamFrame)]


@contextlib.asynccontextmanager
async def serving_raw(answer, greeting: bytes = b"\0\0\0\x04\0\0\0\0\0") -> AsyncIterator[RawServer]:
    """Args: greeting: what the server says first, an empty SETTINGS frame unless told otherwise."""
    server = RawServer(answer, greeting)
    listening = await asyncio.get_running_loop().create_server(lambda: RawPeer(server), "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/items"
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.transport.abort()


def answering(fault: Callable[[RawPeer, int], Any], every: int = 4) -> Callable[[RawPeer, int], None]:
    """Answers, but each fourth request of a connection with what `fault` returns, if anything."""

    def answer(peer: RawPeer, stream: int) -> None:
        if peer.position % every == every - 1:
            written = fault(peer, stream)
            if isinstance(written, bytes):
                peer.write(written)
        else:
            peer.write(ok(stream))

    return answer


def empty(stream: int, *fields: tuple[str, str]) -> bytes:
    return section(*fields, flags=WHOLE | ENDS, stream=stream)


STATUS = (":status", "200")


def counted_once(outcome, limit: int) -> None:
    """Each request was counted, once: it was answered or it failed."""
    answered = sum(outcome.results.statuses.values())
    failed = sum(kinds(outcome).values())
    assert (outcome.summary.requests, answered + failed, outcome.summary.errors) == (limit, limit, failed)


def options(server: Server | RawServer, **changes: Any) -> LoadOptions:
    given = {"connections": 1, "streams": 4, "request_limit": 20, "duration": None, "timeout": 5.0, **changes}
    return LoadOptions(url=server.url, http2=True, **given)


@contextlib.contextmanager
def nginx(directory: Path, settings: str = ""):
    """An nginx that speaks HTTP/2 without asking first, and logs protocol and status of each request."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if program is None:
        pytest.fail("nginx is not installed; make setup installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    places = "".join(f"{name}_temp_path {directory}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log; events {{}}"
        f" http {{ log_format short '$server_protocol $status'; access_log {directory}/access.log short;"
        f" client_body_temp_path {directory}/body; {places} {settings}"
        f' server {{ listen 127.0.0.1:{port} http2; location / {{ return 200 "ok"; }} }} }}'
    )
    command = [program, "-p", str(directory), "-e", f"{directory}/error.log", "-c", f"{directory}/nginx.conf"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()
