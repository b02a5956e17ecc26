"""HTTP/2, whatever the server sends: each request ends once, and headers are those that were sent."""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from typing import TYPE_CHECKING

import hpack
from hypothesis import example, given, settings
from hypothesis import strategies as st

from perfloop.loadtest.http2.frames import ViolationError
from perfloop.loadtest.http2.headers import HeaderDecoder, HeaderEncoder, read_fields, table_use, taken_apart
from perfloop.loadtest.http2.protocol import ClientConnection

if TYPE_CHECKING:
    from perfloop.loadtest.http2.streams import Stream

MESSAGE = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"

# Few names and values, so that they repeat; some too long for the table.
NAMES = st.sampled_from([b":status", b"date", b"server", b"content-length", b"x", b"set-cookie"])
VALUES = st.sampled_from([b"200", b"304", b"0", b"a", b"Sun, 29 Nov 2026", b"y" * 300, b"z" * 4200])
SECTIONS = st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=6)
BLOCKS = st.lists(st.tuples(SECTIONS, st.sampled_from([None, None, None, 0, 200, 4096])), max_size=40)


@given(BLOCKS, st.randoms(use_true_random=False))
def test_a_block_that_was_remembered_says_what_it_would_say_if_it_were_read(blocks, random) -> None:
    encoder, plain, remembering = hpack.Encoder(), hpack.Decoder(), HeaderDecoder()
    sections = [section for section, _ in blocks]
    for section, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        for again in (section, section, random.choice(sections)):
            block = encoder.encode(again, huffman=False)
            assert remembering.decode(block) == read_fields(plain.decode(block, raw=True))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from([0, 0, 0, 100, 4096])), max_size=60))
def test_a_remembered_request_is_the_same_to_the_server(requests) -> None:
    encoder, decoder = HeaderEncoder(b"http"), hpack.Decoder()
    for path, value, size in requests:
        if size:
            encoder.limit_table(size)
        message = b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Value: %d\r\n\r\n" % (path, value)
        fields, _ = taken_apart(message, b"http")
        assert decoder.decode(encoder.encode(message).block, raw=True) == fields


@given(st.binary(max_size=60))
def test_any_bytes_may_be_asked_what_they_do_with_the_table(block: bytes) -> None:
    changes, _ = table_use(block)
    table = hpack.Decoder()
    try:
        table.decode(block, raw=True)
    except hpack.HPACKError:
        return
    assert changes or not table.header_table.dynamic_entries


class Told:
    """Is told of the connection, and counts how each stream ends."""

    def __init__(self) -> None:
        self.ended: Counter[int] = Counter()

    def settings_came(self) -> None: ...

    def unsolicited(self, what: str) -> None: ...

    def going_away(self, untouched: list[Stream], _why: str) -> None:
        self.ended.update(stream.number for stream in untouched)


class Owner:
    """Of one stream."""

    def __init__(self, number: int, told: Told) -> None:
        self.number = number
        self.told = told

    def answered(self, stream: Stream, _now: float) -> None:
        assert 200 <= stream.status <= 999
        self.told.ended[self.number] += 1

    def failed(self, _kind: str, example: str, *, unprocessed: bool = False) -> None:
        assert example
        self.told.ended[self.number] += 1


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


PAYLOADS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([b"\x88", b"\x88\x5c\x011", b"\x08\x03103", b"\x00\x01a\x01b", b"ok", b"", bytes(4), bytes(8)]),
    st.integers(0, 2**32 - 1).map(lambda value: value.to_bytes(4, "big")),
    st.tuples(st.integers(0, 7), st.sampled_from([0, 1, 4, 16_384, 65_535, 2**31 - 1, 2**31])).map(
        lambda setting: struct.pack(">HI", *setting)
    ),
)
STREAMS = st.sampled_from([0, 1, 1, 1, 3, 3, 5, 7, 2, 99])
FLAGS = st.sampled_from([0, 1, 4, 4, 5, 5, 8, 9, 13, 0x24, 0x2D])
FRAMES = st.builds(frame, st.sampled_from([0, 0, 1, 1, 1, 2, 3, 4, 6, 7, 8, 9, 10]), FLAGS, STREAMS, PAYLOADS)


@settings(max_examples=400)
@given(st.lists(FRAMES, max_size=20), st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_each_request_ends_once_whatever_comes(sent: list[bytes], sizes: list[int]) -> None:
    told = Told()
    wire = ClientConnection(told, b"http")
    wire.receive(SETTINGS, 1.0)
    opened = [wire.request(MESSAGE, Owner(number, told)) for number in (1, 3, 5)]
    data, at = b"".join(sent), 0
    with contextlib.suppress(ViolationError):
        while at < len(data):
            for size in sizes:
                wire.receive(data[at : at + size], 2.0)
                at += size
        wire.resume()
    assert all(told.ended[stream.number] + (stream.number in wire.streams) == 1 for stream in opened)
    assert set(told.ended) <= {1, 3, 5}
    assert wire.output().startswith(b"PRI")


@given(st.lists(FRAMES, max_size=20), st.integers(1, 50))
@example([frame(1, 13, 0, b"\0\0\0\0\xff")], 1)  # an error that shows an address
def test_pieces_make_no_difference(sent: list[bytes], size: int) -> None:
    outputs = []
    data = SETTINGS + b"".join(sent)
    for step in (size, len(data)):
        ends = Told()
        wire = ClientConnection(ends, b"http")
        for number in (1, 3, 5):
            wire.request(MESSAGE, Owner(number, ends))
        told = ""
        try:
            for at in range(0, len(data), step):
                wire.receive(data[at : at + step], 1.0)
        except ViolationError as error:
            told = str(error)
        outputs.append((wire.output(), told, sorted(wire.streams), ends.ended))
    assert outputs[0] == outputs[1]
