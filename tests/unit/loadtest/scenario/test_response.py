"""Responses taken apart."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.scenario import Response

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
