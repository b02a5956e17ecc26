"""Frames survive any cut of the stream; damage is noticed, never believed."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.agent.protocol import (
    FRAME,
    HELLO,
    MAX_FRAME,
    PARTS,
    FrameReader,
    ProtocolError,
    decode_integers,
    decode_json,
    encode,
    encode_json,
)

FRAMES = st.lists(st.tuples(st.integers(HELLO, PARTS), st.binary(max_size=60)), max_size=8)


@given(FRAMES, st.lists(st.integers(0, 400), max_size=10))
def test_any_cut_gives_the_same_frames(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode(kind, payload) for kind, payload in frames)
    reader = FrameReader()
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    read = [frame for low, high in pairwise(edges) for frame in reader.feed(stream[low:high])]
    assert read == frames


@pytest.mark.parametrize("head", [FRAME.pack(MAX_FRAME + 1, HELLO), FRAME.pack(4, 0), FRAME.pack(4, PARTS + 1)])
def test_a_head_no_agent_sends(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        FrameReader().feed(head)


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_damage(data: bytes) -> None:
    reader = FrameReader()
    try:
        frames = reader.feed(data)
    except ProtocolError:
        return
    assert sum(FRAME.size + len(payload) for _, payload in frames) <= len(data)


@pytest.mark.parametrize(
    ("count", "least", "step", "fits"),
    [(3, 3, 0, True), (4, 3, 0, False), (2, 3, 0, False), (10, 2, 4, True), (9, 2, 4, False), (2, 2, 4, True)],
)
def test_integers(count: int, least: int, step: int, fits: bool) -> None:
    payload = array("q", range(count)).tobytes()
    if fits:
        assert list(decode_integers(payload, least, step)) == list(range(count))
    else:
        with pytest.raises(ProtocolError):
            decode_integers(payload, least, step)
    with pytest.raises(ProtocolError):
        decode_integers(payload + b"x", least, step)


def test_json_of_anything() -> None:
    ((kind, payload),) = FrameReader().feed(encode_json(HELLO, {"text": "lone \ud800", "object": object}))
    assert kind == HELLO
    assert decode_json(payload)["text"].startswith("lone ")
    for broken in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ProtocolError):
            decode_json(broken)
