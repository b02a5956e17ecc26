from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.distributed.messages import (
    Begin,
    Failed,
    Frames,
    Heartbeat,
    Ready,
    Report,
    Stop,
    decode_from_worker,
    decode_to_worker,
    frame,
    read_frame,
)


@pytest.mark.parametrize("message", [Begin(at=1.5), Stop(), Heartbeat()])
def test_what_a_worker_is_told(message) -> None:
    assert decode_to_worker(frame(message)[4:]) == message


@pytest.mark.parametrize(
    "message", [Ready(perfloop="1"), Report(elapsed=0.5), Failed(error="InvalidValue", message="no", got="'x'")]
)
def test_what_a_worker_tells(message) -> None:
    assert decode_from_worker(frame(message)[4:]) == message


@pytest.mark.parametrize("payload", [b"", b"garbage", b"\x81\xa4type\xa3Who"])
def test_what_is_no_message_is_refused(payload) -> None:
    with pytest.raises(InvalidValue, match="message of a worker"):
        decode_from_worker(payload)


@given(st.lists(st.binary(max_size=20), max_size=5), st.data())
def test_frames_are_found_wherever_the_bytes_are_split(payloads, data) -> None:
    stream = b"".join(map(frame, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    frames, found = Frames(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[start:end])
    assert found == payloads


def test_a_length_that_no_message_has_is_refused() -> None:
    with pytest.raises(InvalidValue, match="message of a worker"):
        list(Frames().feed(b"\xff\xff\xff\xff"))


def test_a_frame_is_read_and_nothing_behind_it() -> None:
    reading, writing = os.pipe()
    os.write(writing, frame(b"plan") + frame(b"next") + b"\x09\0\0\0cut")
    os.close(writing)
    assert [read_frame(reading) for _ in range(4)] == [b"plan", b"next", None, None]
    os.close(reading)
