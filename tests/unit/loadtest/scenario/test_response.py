"""Responses taken apart."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.scenario import Response
from perfloop.loadtest.scenario.response import NoHead, final_head

HEAD = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-N: 1\r\nset-cookie: b=2\r\n"


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\nokrest", b"ok"),
        (HEAD + b"\r\nto the end", b"to the end"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n3\r\n...\r\n0\r\nT: 1\r\n\r\n", b"ok..."),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok", b"ok"),
        (HEAD + b"Content-Length: 2\r\n\r\n", b""),
    ],
)
def test_bodies(raw: bytes, body: bytes) -> None:
    response = Response(200, 0.1, raw, "GET /")
    assert response.sets_cookies
    assert response.body == body
    assert response.text == body.decode()
    assert response.headers["x-n"] == response.headers["X-N"] == "1"
    assert response.headers.all("Set-Cookie") == ["a=1", "b=2"]
    assert "link" not in response.headers
    assert len(dict(response.headers)) == len(response.headers)


def test_json_and_what_is_none() -> None:
    assert Response(200, 0.1, HEAD + b'\r\n{"a": [1]}', "GET /").json() == {"a": [1]}
    with pytest.raises(ValueError, match="GET / was not answered with JSON"):
        Response(200, 0.1, HEAD + b"\r\n<html>", "GET /").json()


def test_what_was_not_kept_is_not_shown() -> None:
    response = Response(404, 0.1, HEAD + b"\r\nx", "GET /", cut=True)
    assert not response.ok
    assert response.headers["x-n"] == "1"
    assert repr(response) == "<Response 404 to GET />"
    with pytest.raises(InvalidValue, match=r"Expected a body of at most 8 MiB to look at \(GET /\)"):
        _ = response.body


def test_the_headers_of_an_upgrade() -> None:
    assert (
        Response(101, 0.1, b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\r\n", "WS /").headers["upgrade"] == "websocket"
    )


@pytest.mark.parametrize(
    ("received", "head"),
    [
        (b"", None),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n", None),
        (b"HTTP/1.1 200\r\n\r\nrest", (200, b"HTTP/1.1 200\r\n\r\n", b"rest")),
        (b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.0 101 Yes\r\n\r\n", (101, b"HTTP/1.0 101 Yes\r\n\r\n", b"")),
    ],
)
def test_the_head_that_is_final(received: bytes, head: tuple[int, bytes, bytes] | None) -> None:
    assert final_head(received) == head


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (b"GARB", "does not begin with HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "does not begin with HTTP/1"),
        (b"HTTP/1.1 OK\r\n\r\n", "has no status"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300_000, "bytes without the end of the headers"),
    ],
)
def test_what_is_no_head(received: bytes, words: str) -> None:
    with pytest.raises(NoHead, match=words):
        final_head(received)
