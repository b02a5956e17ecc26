from __future__ import annotations

import pytest

from perfloop.loadtest.heads import KnownHeads, whole_length


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("lines", "status", "body"),
    [
        (["Content-Length: 12"], 200, 12),
        (["content-length:  0 "], 200, 0),
        (["Content-Length: 12"], 304, 0),
        ([], 204, 0),
    ],
)
def test_the_length_of_a_whole_response(lines, status, body) -> None:
    assert whole_length(head(*lines), status) == len(head(*lines)) + body


@pytest.mark.parametrize(
    "lines",
    [
        [],  # until the connection ends
        ["Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: five"],
        ["X-Content-Length: 5"],
    ],
)
def test_a_head_that_does_not_tell_the_length(lines) -> None:
    assert whole_length(head(*lines), 200) is None


def test_learns_whole_responses_only_and_once_a_millisecond() -> None:
    known = KnownHeads()
    short, long = head("Content-Length: 2"), head("Content-Length: 3", "set-cookie: a=b", status="404 Not Found")
    known.learn(short + b"o", 200, 1.0)
    assert known.entries == {}
    known.learn(short + b"ok", 200, 1.0005)  # too soon
    assert known.entries == {}
    known.learn(short + b"ok", 200, 1.002)
    known.learn(long + b"yes", 404, 1.004)
    assert known.entries == {len(short) + 2: (short, 200, False), len(long) + 3: (long, 404, True)}


def test_holds_a_bounded_number_of_heads() -> None:
    known = KnownHeads()
    for length in range(3000):
        response = head(f"Content-Length: {length}") + bytes(length)
        known.learn(response, 200, float(length + 1))
    assert 0 < len(known.entries) <= 1024
    known.learn(head("Content-Length: 0", "X: " + "x" * 4000), 200, 1e6)
    assert all(len(entry[0]) <= 2048 for entry in known.entries.values())
