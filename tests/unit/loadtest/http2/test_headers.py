"""Header sections: a request's from its HTTP/1.1 form, a response's judged, and both remembered."""

from __future__ import annotations

import hpack
import pytest

from perfloop.loadtest import Request, Target
from perfloop.loadtest.http2.frames import ViolationError
from perfloop.loadtest.http2.headers import HeaderDecoder, HeaderEncoder, read_fields, table_use, taken_apart
from perfloop.loadtest.request import prepare

TARGET = Target.parse("https://user:s3cret@example.com:8443/")


def test_pseudo_headers_come_first_and_names_are_lower_case() -> None:
    message = prepare(Request(target="/a?b=c%20d", headers=(("X-Team", " blue "),)), TARGET).prefix
    headers, body_at = taken_apart(message, b"https")
    assert headers[:4] == [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"example.com:8443"),
        (b":path", b"/a?b=c%20d"),
    ]
    assert (b"x-team", b"blue") in headers
    assert b"authorization" in dict(headers)
    assert all(name == name.lower() for name, _ in headers)
    assert message[body_at:] == b""


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "Proxy-Connection"])
def test_headers_of_a_connection_are_left_out(name: str) -> None:
    headers, _ = taken_apart(prepare(Request(headers=((name, "close"),)), TARGET).prefix, b"https")
    assert name.lower().encode() not in dict(headers)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"TE": "trailers"}, {b"te": b"trailers"}),
        ({"TE": "gzip, Trailers;q=0.5"}, {b"te": b"trailers"}),
        ({"TE": "gzip"}, {}),
        ({"TE": ""}, {}),
        ({"Connection": "TE, X-Hop", "X-Hop": "1", "TE": "trailers", "X": "2"}, {b"te": b"trailers", b"x": b"2"}),
        ({"HTTP2-Settings": "AAMAAABk"}, {}),
    ],
)
def test_headers_for_the_next_hop_alone_are_left_out(given: dict[str, str], sent: dict[bytes, bytes]) -> None:
    headers, _ = taken_apart(prepare(Request(headers=tuple(given.items())), TARGET).prefix, b"https")
    usual = {b"user-agent", b"accept", b"authorization"}
    assert {name: value for name, value in headers if name[:1] != b":" and name not in usual} == sent


def test_a_body_may_hold_anything() -> None:
    body = b"a\r\n\r\nb: c\r\n\x00"
    message = prepare(Request(method="POST", body=body), TARGET).prefix
    headers, body_at = taken_apart(message, b"http")
    assert message[body_at:] == body
    assert dict(headers)[b"content-length"] == str(len(body)).encode()


def written(target: str = "/", *headers: tuple[str, str]) -> bytes:
    return prepare(Request(target=target, headers=headers), TARGET).prefix


def test_a_section_is_compressed_once_it_settles() -> None:
    encoder = HeaderEncoder(b"https")
    heads = [encoder.encode(written("/a")) for _ in range(6)]
    sizes = [len(head.block) for head in heads]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2
    assert heads[-1] is heads[-2]
    assert encoder.encode(written("/b")).block != heads[-1].block
    assert encoder.encode(written("/a")) is heads[-1]  # another path leaves the table as it is


def test_what_is_different_each_time_leaves_the_table_alone() -> None:
    encoder, decoder = HeaderEncoder(b"https"), hpack.Decoder()
    for number in range(200):
        text = written("/a", ("X-Number", str(number)))
        fields, _ = taken_apart(text, b"https")
        assert decoder.decode(encoder.encode(text).block, raw=True) == fields
    names = {name for name, _ in decoder.header_table.dynamic_entries}
    assert names == {b":authority", b"user-agent", b"accept"}


def test_what_changes_the_table_makes_blocks_be_compressed_again() -> None:
    encoder, decoder = HeaderEncoder(b"https"), hpack.Decoder()
    for number in range(300):
        for text in (written("/a"), written("/b", ("X-Number", f"{number // 3:030}"))):
            fields, _ = taken_apart(text, b"https")
            assert decoder.decode(encoder.encode(text).block, raw=True) == fields


def test_the_server_limits_the_table() -> None:
    encoder, decoder = HeaderEncoder(b"https"), hpack.Decoder()
    fields, _ = taken_apart(written(), b"https")
    for size in (4096, 0, 100, 1 << 20):
        encoder.limit_table(size)
        for _ in range(3):
            assert decoder.decode(encoder.encode(written()).block, raw=True) == fields
        assert decoder.header_table_size == min(size, 4096)


@pytest.mark.parametrize("sizes", [(1000, 100), (100, 100), (0, 0), (0, 4096, 4096), (2000, 50, 3000), (1 << 20, 0)])
def test_a_table_that_is_limited_several_times_before_the_next_request(sizes: tuple[int, ...]) -> None:
    encoder, decoder = HeaderEncoder(b"https"), hpack.Decoder()
    messages = [written("/", ("X-Number", str(number % 20))) for number in range(60)]
    for _ in range(3):
        for size in sizes:
            encoder.limit_table(size)
        decoder.max_allowed_table_size = sizes[-1]
        for message in messages:
            fields, _ = taken_apart(message, b"https")
            assert decoder.decode(encoder.encode(message).block, raw=True) == fields


def test_a_long_header_is_compressed_once() -> None:
    encoder = HeaderEncoder(b"https")
    text = written("/", ("Cookie", "x" * 5000))
    for _ in range(4):
        encoder.encode(text)
    assert encoder.encode(text) is encoder.encode(text)


def test_memory_for_messages_is_bounded() -> None:
    encoder = HeaderEncoder(b"https")
    for _ in range(4):
        first = encoder.encode(written())
    assert encoder.encode(written()) is first
    for number in range(100):
        encoder.encode(written() + b"%d" % number + bytes(100_000))
    assert encoder.encode(written()) is not first


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"\x88", (False, False)),
        (b"\xbe", (False, True)),
        (b"\x88\x40\x01a\x01b", (True, False)),
        (b"\x7f\x00\x01b", (True, True)),
        (b"\x10\x01a\x01b", (False, False)),
        (b"\x0f\x2f\x01b", (False, True)),
        (b"\x20\x88", (True, True)),
        (b"\x40\x01a\x05b", (True, True)),
        (b"\xff\xff\xff\xff\xff\xff\x01", (True, True)),
        (b"\x7f", (True, True)),
        (b"", (False, False)),
    ],
)
def test_what_a_block_does_with_the_table(block: bytes, expected: tuple[bool, bool]) -> None:
    assert table_use(block) == expected


LITERALS = b"\x88\x61\x03day\x0f\x0d\x0212"  # :status 200, date: day (indexed), content-length: 12 (not)


def test_a_block_of_literals_is_read_once_and_its_changes_are_kept() -> None:
    decoder = HeaderDecoder()
    first = decoder.decode(LITERALS)
    assert (first.status, first.length, first.problem) == (200, 12, "")
    assert decoder.decode(LITERALS) is first
    # Three entries of date in the table now, seen by a block that refers to them.
    assert decoder.decode(LITERALS) is first
    assert decoder.decode(b"\x88\xc0").size == len(":status200dateday")
    with pytest.raises(ViolationError, match="decompressed"):
        decoder.decode(b"\x88\xc1")


def test_a_block_that_refers_to_the_table_is_read_again_when_that_changes() -> None:
    decoder = HeaderDecoder()
    decoder.decode(b"\x88\x40\x01a\x011")
    one = decoder.decode(b"\x88\xbe")
    assert decoder.decode(b"\x88\xbe") is one
    decoder.decode(b"\x88\x40\x01a\x0212")
    assert decoder.decode(b"\x88\xbe").size == one.size + 1
    decoder.decode(b"\x88\xbe\x40\x01a\x03123")
    assert decoder.decode(b"\x88\xbe").size == one.size + 2


def test_fields_that_are_well_formed() -> None:
    head = read_fields([(b":status", b"304"), (b"a", b""), (b"content-length", b"0"), (b"content-length", b"0")])
    assert (head.status, head.length, head.problem) == (304, 0, "")
    assert head.problem_as_trailers == ":status in trailers"
    assert read_fields([(b"a", "é".encode())]).problem_as_trailers == ""


def test_what_is_shown_of_a_malformed_field_is_short() -> None:
    assert len(read_fields([(b":status", b"9" * 10_000)]).problem) < 100
