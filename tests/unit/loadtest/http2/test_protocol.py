"""The client's side of a connection, fed with frames."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from perfloop.loadtest.http2 import frames
from perfloop.loadtest.http2.frames import ErrorCode, Setting, frame
from perfloop.loadtest.http2.protocol import ClientConnection

if TYPE_CHECKING:
    from perfloop.loadtest.http2.streams import Stream

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"\x88"


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n\r\n" + body


def settings(values: dict[Setting, int]) -> bytes:
    return frame(frames.SETTINGS, 0, 0, frames.write_settings(values))


def window(stream: int, increment: int) -> bytes:
    return frame(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []

    def settings_came(self) -> None:
        self.all.append(("settings",))

    def going_away(self, untouched: list[Stream], why: str) -> None:
        self.all.append(("going away", [stream.number for stream in untouched], why))

    def unsolicited(self, what: str) -> None:
        self.all.append(("unsolicited", what))


class Owner:
    """Adds what its stream is told to what the connection is told."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def answered(self, stream: Stream, now: float) -> None:
        self.told.all.append(("answered", stream.number, stream.status, stream.content, now))

    def failed(self, kind: str, example: str, *, unprocessed: bool = False) -> None:
        self.told.all.append(("failed", kind, example, unprocessed))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def wire(told: Told) -> ClientConnection:
    connection = ClientConnection(told, b"http")
    connection.receive(settings({}), 1.0)
    connection.output()
    told.all.clear()
    return connection


def sent(wire: ClientConnection) -> list[Any]:
    """The frames that are to be sent."""
    data, parsed = memoryview(wire.output()), []
    while data:
        each, length = Frame.parse_frame_header(data[:9])
        each.parse_body(data[9 : 9 + length])
        parsed.append(each)
        data = data[9 + length :]
    return parsed


def bodies(wire: ClientConnection) -> list[tuple[int, int, bool]]:
    """Stream, size and end of the DATA frames that are to be sent."""
    of_bodies = [each for each in sent(wire) if isinstance(each, DataFrame)]
    return [(each.stream_id, len(each.data), "END_STREAM" in each.flags) for each in of_bodies]


def test_it_begins_with_preface_and_settings(told: Told) -> None:
    wire = ClientConnection(told, b"http")
    data = wire.output()
    assert data.startswith(frames.PREFACE + b"\0")
    assert wire.output() == b""
    wire.receive(settings({}), 1.0)
    [reply] = sent(wire)
    assert isinstance(reply, SettingsFrame)
    assert "ACK" in reply.flags
    assert told.all == [("settings",)]


def test_an_answer(wire: ClientConnection, told: Told) -> None:
    stream = wire.request(GET, Owner(told))
    wire.receive(frame(frames.HEADERS, frames.END_HEADERS, 1, OK), 2.0)
    assert stream.first_byte == 2.0
    wire.receive(frame(frames.DATA, frames.END_STREAM, 1, b"ok"), 3.0)
    assert told.all == [("answered", 1, 200, 2, 3.0)]
    assert (stream.first_byte, stream.received) == (2.0, len(":status200ok"))
    assert wire.streams == {}


def test_the_reserved_bit_of_a_stream_is_ignored(wire: ClientConnection, told: Told) -> None:
    wire.request(GET, Owner(told))
    wire.receive(frame(frames.HEADERS, 5, 1 | 1 << 31, OK), 2.0)
    assert told.all == [("answered", 1, 200, 0, 2.0)]


def test_a_body_keeps_to_both_windows(wire: ClientConnection, told: Told) -> None:
    wire.receive(settings({Setting.INITIAL_WINDOW_SIZE: 40_000}), 1.0)
    wire.request(post(bytes(50_000)), Owner(told))
    wire.request(post(bytes(50_000)), Owner(told))
    assert bodies(wire) == [
        (1, 16_384, False),
        (1, 16_384, False),
        (1, 7232, False),
        (3, 16_384, False),
        (3, 9151, False),
    ]
    wire.receive(window(1, 20_000), 1.0)
    assert bodies(wire) == []  # the connection's window is used up
    wire.receive(window(0, 11_000), 1.0)
    assert bodies(wire) == [(1, 10_000, True), (3, 1000, False)]
    wire.receive(window(0, 1 << 20), 1.0)
    assert bodies(wire) == [(3, 13_465, False)]
    wire.receive(settings({Setting.INITIAL_WINDOW_SIZE: 50_000}), 1.0)
    assert bodies(wire) == [(3, 10_000, True)]


def test_a_window_may_shrink_below_nothing(wire: ClientConnection) -> None:
    wire.receive(settings({Setting.INITIAL_WINDOW_SIZE: 10}), 1.0)
    wire.request(post(bytes(20)), None)
    wire.receive(settings({Setting.INITIAL_WINDOW_SIZE: 0}), 1.0)
    assert bodies(wire) == [(1, 10, False)]
    wire.receive(window(1, 10), 1.0)
    assert bodies(wire) == []
    wire.receive(window(1, 3), 1.0)
    assert bodies(wire) == [(1, 3, False)]


def test_larger_frames_are_used(wire: ClientConnection, told: Told) -> None:
    wire.receive(settings({Setting.MAX_FRAME_SIZE: 30_000}), 1.0)
    wire.request(post(bytes(50_000)), Owner(told))
    assert bodies(wire) == [(1, 30_000, False), (1, 20_000, True)]


def test_no_body_while_the_way_is_full(wire: ClientConnection) -> None:
    wire.paused = True
    wire.request(post(b"body"), None)
    assert bodies(wire) == []
    wire.resume()
    assert bodies(wire) == [(1, 4, True)]


def test_room_for_large_responses_is_given_in_time(wire: ClientConnection, told: Told) -> None:
    wire.request(GET, Owner(told))
    wire.receive(frame(frames.HEADERS, frames.END_HEADERS, 1, OK), 2.0)
    sent(wire)
    given = {0: 0, 1: 0}
    for _ in range(2000):
        wire.receive(frame(frames.DATA, 0, 1, bytes(16_384)), 2.0)
        for update in sent(wire):
            assert isinstance(update, WindowUpdateFrame)
            given[update.stream_id] += update.window_increment
    assert all(2000 * 16_384 - (1 << 24) < size <= 2000 * 16_384 for size in given.values())


def test_what_comes_for_a_stream_that_was_given_up_is_ignored(wire: ClientConnection, told: Told) -> None:
    wire.give_up(wire.request(GET, Owner(told)))
    [reset] = [each for each in sent(wire) if isinstance(each, RstStreamFrame)]
    assert reset.error_code == ErrorCode.CANCEL
    wire.receive(frame(frames.HEADERS, frames.END_HEADERS, 1, OK) + frame(frames.DATA, 1, 1, b"ok"), 2.0)
    wire.receive(frame(frames.RST_STREAM, 0, 1, bytes(4)) + window(1, 5), 2.0)
    assert told.all == []


def test_what_comes_behind_an_answer_is_told(wire: ClientConnection, told: Told) -> None:
    wire.request(GET, Owner(told))
    wire.receive(frame(frames.HEADERS, 5, 1, OK) * 2, 2.0)
    assert [each[0] for each in told.all] == ["answered", "unsolicited"]


def test_goaway_says_what_it_did_not_touch(wire: ClientConnection, told: Told) -> None:
    for _ in range(3):
        wire.request(GET, Owner(told))
    wire.receive(frame(frames.GOAWAY, 0, 0, struct.pack(">II", 3, 11) + b"calm \x00" + b"x" * 200), 2.0)
    assert told.all == [("going away", [5], "ENHANCE_YOUR_CALM: calm \N{REPLACEMENT CHARACTER}" + "x" * 94)]
    wire.receive(frame(frames.HEADERS, 5, 3, OK), 2.0)
    wire.receive(frame(frames.GOAWAY, 0, 0, struct.pack(">II", 0, 0)), 2.0)
    assert told.all[1:] == [("answered", 3, 200, 0, 2.0), ("going away", [1], "")]


def test_the_end_is_said(wire: ClientConnection) -> None:
    wire.end(ErrorCode.PROTOCOL_ERROR)
    [goaway] = sent(wire)
    assert isinstance(goaway, GoAwayFrame)
    assert goaway.error_code == ErrorCode.PROTOCOL_ERROR


def test_streams_run_out(wire: ClientConnection, told: Told) -> None:
    assert not wire.exhausted
    wire._next = (1 << 31) - 1
    wire.request(GET, Owner(told))
    assert wire.exhausted


def test_replies_are_counted(wire: ClientConnection) -> None:
    before = wire.replies
    wire.receive(frame(frames.PING, 0, 0, bytes(8)) * 3 + frame(frames.PING, frames.ACK, 0, bytes(8)), 2.0)
    assert wire.replies - before == 3
    assert [each.flags for each in sent(wire)] == [{"ACK"}] * 3
