"""Clients good and bad; a server that they could keep from ending would hang these tests."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from perfloop import http_server
from perfloop.http_server import HttpServer, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator


def hello(request: Request) -> Response:
    return Response.text(200, f"hello {request.path} {request.headers.get('x', '')}", ("X-Frame-Options", "DENY"))


def stream(_: Request) -> Response:
    return Response(200, "text/event-stream", b"first;", stream=True)


@contextmanager
def connected(server: HttpServer, sent: bytes = b"") -> Iterator[socket.socket]:
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host.strip("[]"), int(port)), timeout=30) as client:
        client.sendall(sent)
        yield client


def everything(client: socket.socket) -> bytes:
    """All that comes until the server closes; a reset is a close too."""
    got = b""
    try:
        while data := client.recv(65_536):
            got += data
    except ConnectionResetError:
        pass
    return got


def talked(server: HttpServer, sent: bytes) -> bytes:
    with connected(server, sent) as client:
        return everything(client)


def test_an_answer() -> None:
    with HttpServer("127.0.0.1", 0, hello) as server:
        got = talked(server, b"GET /a?secret HTTP/1.1\r\nX: 1\r\nHost: b\r\nx: 2\r\n\r\n")
    assert got == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nX-Frame-Options: DENY\r\n"
        b"Content-Length: 14\r\n\r\nhello /a 1, 2\n"
    )


def test_a_request_in_pieces() -> None:
    with HttpServer("127.0.0.1", 0, hello) as server, connected(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET / HTTP/1.1\r\n\r\n":
            client.sendall(bytes([byte]))
        assert b"hello /" in everything(client)


def test_head_has_no_body() -> None:
    with HttpServer("127.0.0.1", 0, hello) as server:
        assert talked(server, b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"Content-Length: 9\r\n\r\n")
    with HttpServer("127.0.0.1", 0, stream) as server:
        assert talked(server, b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"text/event-stream\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405 Method Not Allowed"),
        (b"OPTIONS / HTTP/1.1\r\n\r\n", b"405"),
        (b"\x00\xffgarbage\r\n\r\n", b"400 Bad Request"),
        (b"GET http://elsewhere.example/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 20_000, b"431 "),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n", b"431 "),
    ],
)
def test_what_is_not_answered(sent: bytes, status: bytes) -> None:
    with HttpServer("127.0.0.1", 0, hello) as server:
        assert talked(server, sent).startswith(b"HTTP/1.1 " + status)


def test_who_says_nothing_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 0.01)
    with HttpServer("127.0.0.1", 0, hello) as server:
        assert talked(server, b"GET / HT") == b""


def test_who_takes_no_answer_has_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its patience goes on while it is written to."""
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 0.01)
    much = b"x" * 50_000_000  # more than the system's buffers hold
    with (
        HttpServer("127.0.0.1", 0, lambda _: Response(200, "text/plain", much)) as server,
        connected(server, b"GET / HTTP/1.1\r\n\r\n") as lazy,
    ):
        assert talked(server, b"GET / HT") == b""  # came later, and is gone already
        assert len(everything(lazy)) < len(much)


def test_nobody_keeps_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 3600)
    much = b"x" * 50_000_000
    with ExitStack() as stack:
        server = HttpServer("127.0.0.1", 0, lambda _: Response(200, "text/plain", much))
        with server:
            for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\n\r\n"):
                client = stack.enter_context(connected(server, sent))
            assert client.recv(1)
        with pytest.raises(OSError):
            talked(server, b"")


def test_the_newest_of_too_many_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "PATIENCE_SECONDS", 3600)
    with HttpServer("127.0.0.1", 0, hello) as server, ExitStack() as stack:
        idle = [stack.enter_context(connected(server, b"G")) for _ in range(200)]
        assert b"hello" in talked(server, b"GET / HTTP/1.1\r\n\r\n")
        assert everything(idle[0]) == b""
        assert len(server._connections) <= 64


def test_a_stream_goes_on_with_every_tick_and_ends_with_the_last() -> None:
    ended = threading.Event()
    with ExitStack() as stack:

        def tick() -> bytes:
            return b"end." if ended.is_set() else b"more;"

        with HttpServer("127.0.0.1", 0, stream, tick=tick, every=0.001) as server:
            client = stack.enter_context(connected(server, b"GET / HTTP/1.1\r\n\r\n"))
            got = b""
            while b"first;more;more;" not in got:
                got += client.recv(65_536)
            ended.set()
        assert everything(client).endswith(b"end.")


def test_a_stream_has_so_many_readers_and_they_say_nothing() -> None:
    with HttpServer("127.0.0.1", 0, stream) as server, ExitStack() as stack:
        readers = [stack.enter_context(connected(server, b"GET / HTTP/1.1\r\n\r\n")) for _ in range(16)]
        for reader in readers:
            while b"first;" not in reader.recv(65_536):
                pass
        assert b"503 Service Unavailable" in talked(server, b"GET / HTTP/1.1\r\n\r\n")
        readers[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert everything(readers[0]) == b""
        assert b"first;" in stack.enter_context(connected(server, b"GET / HTTP/1.1\r\n\r\n")).recv(65_536)


def test_a_reader_who_has_stopped_reading_has_to_go() -> None:
    with (
        HttpServer("127.0.0.1", 0, stream, tick=lambda: b"x" * 2_000_000, every=0.001) as server,
        connected(server, b"GET / HTTP/1.1\r\n\r\n") as lazy,
    ):
        while b"first;" not in lazy.recv(1000):
            pass
        while server._connections:
            assert talked(server, b"\r\n\r\n")
