"""WebSocket frames as raw bytes (RFC 6455 §5)."""

from __future__ import annotations

import struct

import pytest

from perfloop.loadtest.scenario.frames import Closed, Frames

TEXT, BINARY, CONTINUED, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
    """As a server sends it: unmasked."""
    size = len(payload)
    length = struct.pack("!B", size) if size < 126 else struct.pack("!BH", 126, size)
    return bytes((opcode | final << 7,)) + length + payload


def unmasked(sent: bytes) -> tuple[int, bytes]:
    """The opcode and payload of a client's short frame."""
    assert sent[1] & 0x80, "a client masks"
    mask = sent[2:6]
    return sent[0] & 15, bytes(byte ^ mask[at % 4] for at, byte in enumerate(sent[6:]))


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (frame(TEXT, "é".encode()) + frame(BINARY, b"\0") + frame(TEXT), ["é", b"\0", ""]),
        (frame(BINARY, b"b" * 1000), [b"b" * 1000]),
        (
            frame(TEXT, b"\xc3", final=False) + frame(PING, b"p") + frame(CONTINUED, b"\xa9") + frame(PONG, b"?"),
            ["é"],
        ),
        (frame(BINARY, b"", final=False) + frame(CONTINUED, b"1", final=False) + frame(CONTINUED, b""), [b"1"]),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 1_000_000])
def test_messages_however_their_bytes_are_cut(data: bytes, messages: list[str | bytes], step: int) -> None:
    frames = Frames()
    found = [message for at in range(0, len(data), step) for message in frames.feed(data[at : at + step])]
    assert found == messages
    assert frames.closed is None


def test_a_ping_is_answered_with_what_it_says() -> None:
    frames = Frames()
    frames.feed(frame(PING, b"there?"))
    assert unmasked(frames.unsent) == (PONG, b"there?")


def test_nothing_is_kept_of_empty_fragments() -> None:
    frames = Frames()
    frames.feed(frame(TEXT, b"a", final=False) + frame(CONTINUED, final=False) * 100)
    assert frames._pieces == ["a"]
    assert frames.feed(frame(CONTINUED, b"b")) == ["ab"]


def test_each_frame_has_a_mask_of_its_own() -> None:
    frames = Frames()
    sent = [frames.send("hello") for _ in range(50)]
    assert {unmasked(each) for each in sent} == {(TEXT, b"hello")}
    assert unmasked(frames.send(b"\0")) == (BINARY, b"\0")
    assert len({each[2:6] for each in sent}) > 40


@pytest.mark.parametrize(
    ("payload", "closed"),
    [
        (struct.pack("!H", 1000), Closed(1000, "")),
        (struct.pack("!H", 4001) + b"too slow", Closed(4001, "too slow")),
        (b"", Closed(1005, "")),
    ],
)
def test_the_servers_close_is_answered(payload: bytes, closed: Closed) -> None:
    frames = Frames()
    assert frames.feed(frame(TEXT, b"last") + frame(CLOSE, payload) + frame(TEXT, b"ignored")) == ["last"]
    assert frames.closed == closed
    assert unmasked(frames.unsent) == (CLOSE, payload)


def test_the_answer_to_our_close_ends_it() -> None:
    frames = Frames()
    assert unmasked(frames.close(1000, "bye")) == (CLOSE, struct.pack("!H", 1000) + b"bye")
    assert frames.feed(frame(PING) + frame(TEXT, b"late")) == ["late"]
    frames.feed(frame(CLOSE, struct.pack("!H", 1000)))
    assert (frames.closed, frames.unsent) == (Closed(1000, ""), b"")


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (frame(TEXT, b"\xff"), "invalid UTF-8", 1007),
        (frame(TEXT, b"\xc3", final=False) + frame(CONTINUED, b"("), "invalid UTF-8", 1007),
        (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), "invalid UTF-8", 1007),
        (frame(3), "protocol error", 1002),
        (frame(CONTINUED, b"a"), "protocol error", 1002),
        (frame(TEXT, b"a", final=False) + frame(TEXT, b"b"), "protocol error", 1002),
        (frame(PING, final=False), "protocol error", 1002),
        (frame(PING, b"x" * 126), "protocol error", 1002),
        (frame(TEXT | 0x40, b"a"), "protocol error", 1002),
        (b"\x81\x81\0\0\0\0a", "protocol error", 1002),
        (frame(CLOSE, b"\3"), "protocol error", 1002),
        (frame(CLOSE, struct.pack("!H", 1006)), "protocol error", 1002),
        (frame(TEXT, b"x" * 101), "message too large", 1009),
        (frame(BINARY, b"x" * 60, final=False) + frame(CONTINUED, b"x" * 60), "message too large", 1009),
        (b"\x82\x7f" + struct.pack("!Q", 1 << 40) + b"x" * 101, "message too large", 1009),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_what_breaks_the_rules_ends_it_with_its_code(data: bytes, kind: str, code: int, step: int) -> None:
    frames = Frames(largest=100)
    for at in range(0, len(data), step):
        assert frames.feed(data[at : at + step]) == []
    assert frames.closed is not None
    assert (frames.closed.kind, frames.closed.code) == (kind, code)
    assert frames.closed.reason
    opcode, payload = unmasked(frames.unsent)
    assert (opcode, payload[:2]) == (CLOSE, struct.pack("!H", code))
