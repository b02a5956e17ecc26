"""A request of HTTP/1.1 as HTTP/2 sends it."""

from __future__ import annotations

import pytest

from perfloop.loadtest import Request, Target
from perfloop.loadtest.http2 import taken_apart
from perfloop.loadtest.request import prepare

TARGET = Target.parse("https://user:s3cret@example.com:8443/")


def test_pseudo_headers_come_first_and_names_are_lower_case() -> None:
    message = prepare(Request(target="/a?b=c%20d", headers=(("X-Team", " blue "),)), TARGET).prefix
    headers, body = taken_apart(message, b"https")
    assert headers[:4] == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.com:8443"),
        (b":path", b"/a?b=c%20d"),
    ]
    assert (b"x-team", b"blue") in headers
    assert b"authorization" in dict(headers)
    assert all(name == name.lower() for name, _ in headers)
    assert body == b""


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "Proxy-Connection"])
def test_headers_of_a_connection_are_left_out(name: str) -> None:
    headers, _ = taken_apart(prepare(Request(headers=((name, "close"),)), TARGET).prefix, b"https")
    assert name.lower().encode() not in dict(headers)


def test_a_body_may_hold_anything() -> None:
    body = b"a\r\n\r\nb: c\r\n\x00"
    headers, sent = taken_apart(prepare(Request(method="POST", body=body), TARGET).prefix, b"http")
    assert sent == body
    assert dict(headers)[b"content-length"] == str(len(body)).encode()
