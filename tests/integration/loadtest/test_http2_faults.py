"""HTTP/2 of servers that break its rules, in raw frames: each request is counted once, and fails alone if it can."""

from __future__ import annotations

import asyncio
import random
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest
from hyperframe.frame import GoAwayFrame

from perfloop.exceptions import UnreachableTarget

from .http2_serving import (
    CONTINUATION,
    DATA,
    ENDS,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STATUS,
    WHOLE,
    WINDOW_UPDATE,
    RawPeer,
    answering,
    counted_once,
    empty,
    frame,
    number,
    ok,
    options,
    section,
    serving_raw,
    settings,
)
from .serving import kinds, load_here, load_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 40


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


MALFORMED: dict[str, tuple[Callable[[int], bytes], str]] = {
    **{
        f"status {status!r}": (lambda stream, status=status: empty(stream, (":status", status)), repr(status))
        for status in ("999999999999", "abc", "0", "-5", "099", "", "2000", "20", "+20", "2 0", "²00")
    },
    "no status": (lambda stream: empty(stream, ("server", "x")), "no :status"),
    "two statuses": (lambda stream: empty(stream, STATUS, STATUS), "more than one :status"),
    "status last": (lambda stream: empty(stream, ("server", "x"), STATUS), ":status behind other fields"),
    "101": (lambda stream: empty(stream, (":status", "101")), "101"),
    "upper case": (lambda stream: empty(stream, STATUS, ("Server", "x")), "Server"),
    "a name with a blank": (lambda stream: empty(stream, STATUS, ("a b", "x")), "a b"),
    "a name of nothing": (lambda stream: empty(stream, STATUS, ("", "x")), "a field called ''"),
    "a pseudo-header": (lambda stream: empty(stream, STATUS, (":path", "/")), ":path"),
    "a line break": (lambda stream: empty(stream, STATUS, ("a", "x\r\ny: z")), "a is"),
    "a blank at the end": (lambda stream: empty(stream, STATUS, ("a", "x ")), "a is"),
    "connection": (lambda stream: empty(stream, STATUS, ("connection", "close")), "the field connection"),
    "transfer-encoding": (lambda stream: empty(stream, STATUS, ("transfer-encoding", "chunked")), "transfer-encoding"),
    "a length that is none": (lambda stream: empty(stream, STATUS, ("content-length", "x")), "content-length is 'x'"),
    "two lengths": (
        lambda stream: empty(stream, STATUS, ("content-length", "1"), ("content-length", "2")),
        "content-length is 1 and 2",
    ),
    "a length without a body": (lambda stream: empty(stream, STATUS, ("content-length", "2")), "must have 2"),
    "a body too short": (
        lambda stream: section(STATUS, ("content-length", "3"), stream=stream) + frame(DATA, ENDS, stream, b"ok"),
        "2 bytes of a body that must have 3",
    ),
    "a body too long": (
        lambda stream: section(STATUS, ("content-length", "1"), stream=stream) + frame(DATA, 0, stream, b"ok"),
        "2 bytes of a body that must have 1",
    ),
    "a body before headers": (lambda stream: frame(DATA, 0, stream, b"ok"), "without headers"),
    "204 with a body": (
        lambda stream: section((":status", "204"), stream=stream) + frame(DATA, ENDS, stream, b"ok"),
        "must have 0",
    ),
    "nothing behind 103": (lambda stream: empty(stream, (":status", "103")), "informational response 103"),
    "103 for ever": (lambda stream: section((":status", "103"), stream=stream) * 40, "informational"),
    "headers in mid-body": (
        lambda stream: section(STATUS, stream=stream) + section(("a", "b"), stream=stream),
        "in the middle of a body",
    ),
    "a status in trailers": (lambda stream: section(STATUS, stream=stream) + empty(stream, STATUS), "in trailers"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("response", "told"), MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_response_fails_alone(response, told: str, method: str) -> None:
    """RFC 9113 §8.1.1: whoever gets one treats it as a stream error. It is no reason to send the request again."""
    async with serving_raw(answering(lambda _peer, stream: response(stream))) as server:
        outcome = await load_here(options(server, method=method, request_limit=LIMIT))
        await asyncio.sleep(0)
    counted_once(outcome, LIMIT)
    assert kinds(outcome) == {"invalid response": LIMIT // 4}
    assert "malformed response: " in outcome.results.error_kinds[0].example
    assert told in outcome.results.error_kinds[0].example
    assert len(server.peers) == 1
    assert server.requests == LIMIT
    assert set(server.resets) == {1}  # PROTOCOL_ERROR
    assert "retried" not in outcome.events


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
@pytest.mark.parametrize("data", [b"", frame(DATA, ENDS, 0)], ids=["", "an empty DATA frame"])
async def test_a_length_without_content_is_valid_there(load, method: str, status: str, data: bytes) -> None:
    def answer(peer: RawPeer, stream: int) -> None:
        flags = WHOLE if data else WHOLE | ENDS
        peer.write(section((":status", status), ("content-length", "512"), flags=flags, stream=stream))
        if data:
            peer.write(frame(DATA, ENDS, stream))

    async with serving_raw(answer) as server:
        outcome = await load(options(server, method=method))
    assert outcome.results.statuses == {status: 20}
    assert outcome.summary.errors == 0, outcome.results.error_kinds


STREAM_FAULTS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "reset": (lambda stream: frame(RST_STREAM, 0, stream, number(2)), "INTERNAL_ERROR"),
    "reset after headers": (
        lambda stream: section(STATUS, stream=stream) + frame(RST_STREAM, 0, stream, number(8)),
        "CANCEL",
    ),
    "reset in the body": (
        lambda stream: (
            section(STATUS, stream=stream) + frame(DATA, 0, stream, b"o") + frame(RST_STREAM, 0, stream, number(0xBAD))
        ),
        "error 2989",
    ),
    "reset after 103": (
        lambda stream: section((":status", "103"), stream=stream) + frame(RST_STREAM, 0, stream, number(7)),
        "REFUSED_STREAM",
    ),
    "a window by nothing": (lambda stream: frame(WINDOW_UPDATE, 0, stream, number(0)), "by nothing"),
    "a window too large": (lambda stream: frame(WINDOW_UPDATE, 0, stream, number(2**31 - 1)), "too large"),
}


@pytest.mark.parametrize(("response", "told"), STREAM_FAULTS.values(), ids=STREAM_FAULTS)
async def test_what_ends_one_stream(load, response, told: str) -> None:
    async with serving_raw(answering(lambda _peer, stream: response(stream))) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    counted_once(outcome, LIMIT)
    assert sum(kinds(outcome).values()) == LIMIT // 4
    assert told in outcome.results.error_kinds[0].example
    assert len(server.peers) == 1
    assert server.requests == LIMIT
    assert "retried" not in outcome.events


HARMLESS: dict[str, Callable[[int], bytes]] = {
    "padding": lambda stream: (
        section(STATUS, ("content-length", "2"), stream=stream)
        + frame(DATA, PADDED, stream, b"\x03o" + bytes(3))
        + frame(DATA, PADDED | ENDS, stream, b"\xfek" + bytes(254))
    ),
    "padded headers with a priority": lambda stream: frame(
        HEADERS, PADDED | 0x20 | WHOLE | ENDS, stream, b"\x02" + bytes(5) + b"\x88" + bytes(2)
    ),
    "continued headers": lambda stream: (
        frame(HEADERS, ENDS, stream, b"\x88") + frame(CONTINUATION, 0, stream) + frame(CONTINUATION, WHOLE, stream)
    ),
    "informational responses": lambda stream: section((":status", "103"), stream=stream) * 30 + ok(stream),
    "trailers": lambda stream: (
        section(STATUS, stream=stream) + frame(DATA, 0, stream, b"ok") + empty(stream, ("checksum", "1"))
    ),
    "unknown frames": lambda stream: frame(0xEE, 0xFF, stream, b"?") + frame(0x0C, 0, 0, b"origin") + ok(stream),
    "priority": lambda stream: frame(PRIORITY, 0, stream, bytes(5)) + ok(stream),
    "an unknown setting": lambda stream: frame(SETTINGS, 0, 0, struct.pack(">HI", 0xFE, 9)) + ok(stream),
    "a reset behind the answer": lambda stream: ok(stream) + frame(RST_STREAM, 0, stream, number(0)),
    "a window behind the answer": lambda stream: ok(stream) + frame(WINDOW_UPDATE, 0, stream, number(9)),
    "a hundred of PING": lambda stream: frame(PING, 0, 0, b"12345678") * 100 + ok(stream),
    "a hundred of SETTINGS": lambda stream: settings(first_window=9) * 100 + ok(stream),
    "a thousand empty DATA frames": lambda stream: (
        section(STATUS, stream=stream) + frame(DATA, 0, stream) * 1000 + frame(DATA, ENDS, stream)
    ),
    "a smaller table": lambda stream: settings(table=0) + ok(stream),
    "larger frames": lambda stream: settings(largest=1 << 20) + ok(stream),
}


@pytest.mark.parametrize("response", HARMLESS.values(), ids=HARMLESS)
async def test_what_is_allowed(load, response) -> None:
    async with serving_raw(answering(lambda _peer, stream: response(stream))) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    assert outcome.results.statuses == {"200": LIMIT}, outcome.results.error_kinds
    assert len(server.peers) == 1


async def test_an_answer_twice_is_told(load) -> None:
    async with serving_raw(answering(lambda _peer, stream: ok(stream) * 2)) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    assert outcome.results.statuses == {"200": LIMIT}
    assert outcome.events["unsolicited data"] >= 2


CONNECTION_FAULTS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "a frame too large": (lambda _stream: b"\xff" * 100, "a frame of 16777215 bytes"),
    "SETTINGS of one byte": (lambda _stream: frame(SETTINGS, 0, 0, b"x"), "SETTINGS of 1 bytes"),
    "SETTINGS of a stream": (lambda stream: frame(SETTINGS, 0, stream), "SETTINGS of a stream"),
    "a window of 2^31": (lambda _stream: settings(first_window=1 << 31), "2147483648"),
    "frames of one byte": (lambda _stream: settings(largest=1), "frames of 1 bytes"),
    "push": (lambda _stream: settings(push=1), "ENABLE_PUSH"),
    "a promise": (lambda stream: frame(PUSH_PROMISE, WHOLE, stream, number(2) + b"\x88"), "PUSH_PROMISE"),
    "PING of a stream": (lambda stream: frame(PING, 0, stream, bytes(8)), "PING of a stream"),
    "PING of one byte": (lambda _stream: frame(PING, 0, 0, b"x"), "PING of 1 bytes"),
    "RST_STREAM of one byte": (lambda stream: frame(RST_STREAM, 0, stream, b"x"), "RST_STREAM of 1 bytes"),
    "GOAWAY of one byte": (lambda _stream: frame(GOAWAY, 0, 0, b"x"), "GOAWAY of 1 bytes"),
    "the window by nothing": (lambda _stream: frame(WINDOW_UPDATE, 0, 0, number(0)), "by nothing"),
    "the window too large": (lambda _stream: frame(WINDOW_UPDATE, 0, 0, number(2**31 - 1)), "window is too large"),
    "padding alone": (lambda stream: frame(DATA, PADDED, stream, b"\x09x"), "nothing but padding"),
    "DATA of no stream": (lambda _stream: frame(DATA, 0, 0, b"x"), "stream 0"),
    "DATA of a stream to come": (lambda _stream: frame(DATA, 0, 9999, b"x"), "stream 9999"),
    "HEADERS of an even stream": (lambda _stream: empty(2, STATUS), "stream 2"),
    "headers not continued": (
        lambda stream: frame(HEADERS, 0, stream, b"\x88") + frame(PING, 0, 0, bytes(8)),
        "not continued",
    ),
    "CONTINUATION of nothing": (lambda stream: frame(CONTINUATION, WHOLE, stream), "CONTINUATION of no headers"),
    "no HPACK": (lambda stream: frame(HEADERS, WHOLE, stream, b"\xff\xff\xff\xff\xff\xff\xff"), "decompressed"),
    "an entry that is not in the table": (lambda stream: frame(HEADERS, WHOLE, stream, b"\xfe"), "decompressed"),
    "HTTP/1.1": (lambda _stream: b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("garbage", "told"), CONNECTION_FAULTS.values(), ids=CONNECTION_FAULTS)
async def test_what_ends_the_connection(garbage, told: str, method: str) -> None:
    """Each request on it has failed, and is not sent again: that the service breaks the protocol is to be seen."""

    def fault(peer: RawPeer, stream: int) -> bytes:
        return garbage(stream) if len(peer.server.peers) == 1 else ok(stream)

    async with serving_raw(answering(fault)) as server:
        outcome = await load_here(options(server, method=method, request_limit=LIMIT))
        for _ in range(100):
            if any(isinstance(each, GoAwayFrame) for each in server.frames):
                break
            await asyncio.sleep(0.005)
    counted_once(outcome, LIMIT)
    assert set(kinds(outcome)) == {"invalid response"}
    assert 1 <= outcome.summary.errors <= 4
    assert told in outcome.results.error_kinds[0].example
    assert len(server.peers) == 2
    goaway = next(each for each in server.frames if isinstance(each, GoAwayFrame))
    assert goaway.error_code != 0


@pytest.mark.parametrize("window", [0, 2], ids=["before the body", "in mid-body"])
async def test_a_reset_while_the_request_is_sent(load, window: int) -> None:
    async with serving_raw(lambda _peer, _stream: None, settings(first_window=window)) as server:
        server.early = lambda peer, stream: peer.write(frame(RST_STREAM, 0, stream, number(2)))
        outcome = await load(options(server, method="POST", body=b"body"))
    assert kinds(outcome) == {"stream reset": 20}
    assert len(server.peers) == 1


FAULTS: list[Callable[[RawPeer, int], Any]] = [
    *((lambda _peer, stream, response=response: response(stream)) for response, _ in MALFORMED.values()),
    *((lambda _peer, stream, response=response: response(stream)) for response, _ in STREAM_FAULTS.values()),
    *((lambda _peer, stream, response=response: response(stream)) for response in HARMLESS.values()),
    *((lambda _peer, stream, response=response: response(stream)) for response, _ in CONNECTION_FAULTS.values()),
    lambda peer, _stream: peer.transport.abort(),
    lambda peer, _stream: peer.transport.close(),
    lambda _peer, stream: frame(GOAWAY, 0, 0, number(stream) + number(0)) + ok(stream),
    lambda _peer, stream: frame(GOAWAY, 0, 0, number(max(stream - 4, 0)) + number(2)),
    lambda _peer, stream: frame(RST_STREAM, 0, stream, number(7)),
    lambda _peer, _stream: None,
    lambda _peer, stream: settings(most_streams=1) + ok(stream),
    lambda _peer, stream: settings(most_streams=3) + ok(stream),
    *[lambda _peer, stream: ok(stream)] * 40,
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("rate", [None, 2000], ids=["closed", "open"])
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_each_request_is_counted_once(seed: int, rate: float | None, method: str) -> None:
    chosen = random.Random(seed)

    def answer(peer: RawPeer, stream: int) -> None:
        if not peer.transport.is_closing():
            written = chosen.choice(FAULTS)(peer, stream)
            if isinstance(written, bytes):
                peer.write(written)

    async with serving_raw(answer) as server:
        began = time.monotonic()
        load_options = options(server, method=method, rate=rate, connections=2, request_limit=300, timeout=0.25)
        for tries_left in reversed(range(5)):
            try:
                outcome = await load_here(load_options)
                break
            except UnreachableTarget:  # a quarter of a second is short to connect in on a busy machine
                assert tries_left
    counted_once(outcome, 300)
    assert server.requests >= sum(outcome.results.statuses.values())
    assert time.monotonic() - began < 30
