"""HTTP/2 connections that end, are flooded or have no window: the run ends on time, each request counted once."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any

import pytest
from hyperframe.frame import WindowUpdateFrame

from perfloop.exceptions import UnreachableTarget
from perfloop.loadtest.http2.session import Http2Session

from .http2_serving import (
    CONTINUATION,
    DATA,
    ENDS,
    GOAWAY,
    HEADERS,
    PING,
    SETTINGS,
    STATUS,
    WHOLE,
    RawPeer,
    answering,
    counted_once,
    frame,
    number,
    ok,
    options,
    section,
    serving_raw,
    settings,
)
from .serving import kinds, load_here, load_in_thread

LIMIT = 40


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


async def test_headers_without_end(load) -> None:
    def fault(_peer: RawPeer, stream: int) -> bytes:
        return frame(HEADERS, 0, stream, b"\x88") + frame(CONTINUATION, 0, stream, bytes(16_000)) * 20

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    counted_once(outcome, LIMIT)
    assert set(kinds(outcome)) == {"response head too large"}


async def test_a_header_list_that_unpacks_to_too_much(load) -> None:
    def fault(_peer: RawPeer, stream: int) -> bytes:
        block = b"\x88\x40\x01a\x7f\x81\x1e" + b"x" * 4000 + b"\xbe" * 9000  # one field of 4,000 bytes, 9,000 times
        return frame(HEADERS, WHOLE | ENDS, stream, block)

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    counted_once(outcome, LIMIT)
    assert set(kinds(outcome)) == {"response head too large"}


@pytest.mark.parametrize("reads", [True, False], ids=["reads", "never reads"])
@pytest.mark.parametrize("flood", [frame(PING, 0, 0, bytes(8)), frame(SETTINGS)], ids=["PING", "SETTINGS"])
async def test_a_flood_ends_with_the_run(load, flood: bytes, reads: bool) -> None:
    def fault(peer: RawPeer, _stream: int) -> None:
        if not reads:
            peer.transport.pause_reading()
        pour(peer)

    def pour(peer: RawPeer) -> None:
        if not peer.transport.is_closing():
            if peer.transport.get_write_buffer_size() < 1 << 20:
                peer.write(flood * 5000)
            asyncio.get_running_loop().call_later(0.002, pour, peer)

    async with serving_raw(answering(fault)) as server:
        began = time.monotonic()
        outcome = await load(options(server, request_limit=8, timeout=0.5 if reads else 10))
        lasted = time.monotonic() - began
    counted_once(outcome, 8)
    assert set(kinds(outcome)) == {"timeout" if reads else "invalid response"}
    assert lasted < 10


@pytest.mark.parametrize("streams", [1, 4])
async def test_no_window_for_ever(load, streams: int) -> None:
    async with serving_raw(answering(lambda _peer, _stream: None), settings(first_window=0)) as server:
        outcome = await load(
            options(server, method="POST", body=b"body", request_limit=4, timeout=0.4, streams=streams)
        )
    counted_once(outcome, 4)
    assert kinds(outcome) == {"timeout": 4}


async def test_endless_bodies_end_with_the_timeout(load) -> None:
    def fault(peer: RawPeer, stream: int) -> None:
        peer.write(section(STATUS, stream=stream))
        drip(peer, stream)

    def drip(peer: RawPeer, stream: int) -> None:
        if not peer.transport.is_closing():
            peer.write(frame(DATA, 0, stream, b"x" * 100))
            asyncio.get_running_loop().call_later(0.01, drip, peer, stream)

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=16, timeout=0.6))
    counted_once(outcome, 16)
    assert kinds(outcome) == {"timeout": 4}
    assert len(server.peers) == 1


async def test_a_large_body_is_given_room(load) -> None:
    """More than the windows of stream and connection, so that both must be opened again."""
    pieces = 1300

    def answer(peer: RawPeer, stream: int) -> None:
        peer.write(section(STATUS, ("content-length", str(pieces * 16_384)), stream=stream))
        peer.write(frame(DATA, 0, stream, bytes(16_384)) * pieces + frame(DATA, ENDS, stream))

    async with serving_raw(answer) as server:
        outcome = await load(options(server, request_limit=2, streams=1, timeout=10))
    assert outcome.results.statuses == {"200": 2}, outcome.results.error_kinds
    assert outcome.summary.bytes_received > 2 * pieces * 16_384
    updates = [each for each in server.frames if isinstance(each, WindowUpdateFrame)]
    assert {each.stream_id for each in updates} == {0, 1, 3}


GOAWAY_11 = number(11) + b"too many requests\n"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_goaway_tells_its_error_and_why(load, method: str) -> None:
    def fault(_peer: RawPeer, _stream: int) -> bytes:
        return frame(GOAWAY, 0, 0, number(0) + GOAWAY_11)  # nothing was taken: also what is sent once more

    async with serving_raw(answering(fault, every=1)) as server:
        outcome = await load(options(server, method=method, request_limit=4, timeout=1))
    counted_once(outcome, 4)
    assert kinds(outcome) == {"closed before response": 4}
    told = "ENHANCE_YOUR_CALM: too many requests\N{REPLACEMENT CHARACTER}"
    assert told in outcome.results.error_kinds[0].example
    assert outcome.events[f"server went away: {told}"] >= 1


async def test_goaway_in_mid_body_lets_it_end(load) -> None:
    def fault(peer: RawPeer, stream: int) -> None:
        peer.write(section(STATUS, stream=stream), frame(DATA, 0, stream, b"o"))
        peer.write(frame(GOAWAY, 0, 0, number(stream) + number(0)))
        asyncio.get_running_loop().call_later(0.01, peer.write, frame(DATA, ENDS, stream, b"k"))

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    assert outcome.results.statuses == {"200": LIMIT}, outcome.results.error_kinds
    assert len(server.peers) > 1


async def test_nothing_is_sent_behind_goaway(load) -> None:
    """Not even when it comes together with the answer that the next request follows."""

    def fault(_peer: RawPeer, stream: int) -> bytes:
        return ok(stream) + frame(GOAWAY, 0, 0, number(stream) + number(0))

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=LIMIT, streams=1))
    assert outcome.results.statuses == {"200": LIMIT}
    assert server.requests == LIMIT
    assert len(server.peers) == LIMIT // 4


async def test_what_waits_for_a_connection_that_hangs_is_sent_on_another(load) -> None:
    def answer(peer: RawPeer, stream: int) -> None:
        if len(server.peers) > 1:
            peer.write(ok(stream))

    async with serving_raw(answer, settings(most_streams=1)) as server:
        outcome = await load(options(server, request_limit=8, timeout=0.8, rate=5))
    assert outcome.results.statuses == {"200": 7}
    assert kinds(outcome) == {"timeout": 1}


async def test_a_connection_that_has_no_stream_left_is_replaced(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.loadtest.http2.frames.LARGEST_STREAM", 31)
    async with serving_raw(lambda peer, stream: peer.write(ok(stream))) as server:
        outcome = await load(options(server, request_limit=LIMIT))
    assert outcome.results.statuses == {"200": LIMIT}, outcome.results.error_kinds
    assert server.requests == LIMIT
    assert len(server.peers) == 3


async def test_the_end_of_the_connection_behind_goaway_tells_the_error(load) -> None:
    def fault(peer: RawPeer, stream: int) -> None:
        peer.write(section(STATUS, stream=stream), frame(GOAWAY, 0, 0, number(stream) + number(2)))
        asyncio.get_running_loop().call_later(0.01, peer.transport.close)

    async with serving_raw(answering(fault)) as server:
        outcome = await load(options(server, request_limit=LIMIT, streams=1))
    counted_once(outcome, LIMIT)
    assert set(kinds(outcome)) == {"closed in body"}
    assert "INTERNAL_ERROR" in outcome.results.error_kinds[0].example


@pytest.mark.parametrize(
    "greeting",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", frame(PING, 0, 0, bytes(8)), b"\0" * 9],
    ids=["SSH", "HTTP/1.1", "PING", "DATA"],
)
async def test_a_greeting_that_is_none(load, greeting: bytes) -> None:
    async with serving_raw(lambda _peer, _stream: None, greeting) as server:
        with pytest.raises(UnreachableTarget, match="no HTTP/2") as caught:
            await load(options(server, timeout=1))
    assert str(caught.value).startswith("Expected to open 1 connection to ")
    assert "leave out --http2" in (caught.value.hint or "")


@pytest.mark.parametrize("sizes", [(1,), (9, 3)], ids=["bytes", "pieces"])
async def test_frames_in_pieces(load, sizes: tuple[int, ...]) -> None:
    def answer(peer: RawPeer, stream: int) -> None:
        data, at = ok(stream), 0
        while at < len(data):
            size = sizes[at % len(sizes)]
            peer.write(data[at : at + size])
            at += size

    async with serving_raw(answer) as server:
        outcome = await load(options(server))
    assert outcome.results.statuses == {"200": 20}


async def test_connections_that_ended_leave_nothing_behind(load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps the garbage collector quiet, so what refers to itself would stay."""
    sessions: weakref.WeakSet[Http2Session] = weakref.WeakSet()

    class Watched(Http2Session):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            sessions.add(self)
            most.append(len(sessions))

    most: list[int] = []
    monkeypatch.setattr("perfloop.loadtest.http2.connector.Http2Session", Watched)

    def fault(_peer: RawPeer, stream: int) -> bytes:
        return ok(stream) + frame(GOAWAY, 0, 0, number(stream) + number(0))

    gc.disable()
    try:
        async with serving_raw(answering(fault)) as server:
            outcome = await load(options(server, request_limit=200))
    finally:
        gc.enable()
    assert outcome.results.statuses == {"200": 200}
    assert len(server.peers) > 20
    assert max(most) < 10
