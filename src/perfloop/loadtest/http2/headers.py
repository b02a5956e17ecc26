"""Header sections: how a request's is written, what a response's says (RFC 9113 §8), and HPACK between (RFC 7541).

Services answer with few different heads, and a load test sends few different ones: a block of bytes that was written or
read before costs one look-up. A block means the same again as long as the dynamic table is the same, or if it does not
refer to that table at all.
"""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

import hpack

from .. import failures
from .frames import ErrorCode, ViolationError

__all__ = ["HeaderDecoder", "HeaderEncoder", "RequestHead", "ResponseHead", "read_fields", "table_use", "taken_apart"]

LARGEST_LIST = 256 * 1024
"""Bytes of a header section, as they are counted for SETTINGS_MAX_HEADER_LIST_SIZE."""

_TABLE_BYTES = 4096
_ENTRY_BYTES = 32
_STATIC_ENTRIES = 61
_LONGEST_INTEGER = 28  # bits; hpack refuses what is longer
_MOST_KNOWN = 1024
_LONGEST_KNOWN = 4096
_MOST_BYTES_KNOWN = 4 * 1024 * 1024
_OF_THE_CONNECTION = frozenset(
    (b"connection", b"host", b"http2-settings", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade")
)
# Requests to many paths take turns; what is secret is in no table (RFC 7541 §7.1.3).
_NOT_INDEXED = (b":path", b"content-length", b"authorization", b"proxy-authorization")
_NAME = re.compile(rb"[^\x00-\x20A-Z\x7f-\xff:]+")
_NOT_IN_A_VALUE = re.compile(rb"^[ \t]|[\x00\r\n]|[ \t]$")
_STATUS = re.compile(rb"[1-9][0-9]{2}")
_LENGTH = re.compile(rb"[0-9]{1,18}")

Fields = list[tuple[bytes, bytes]]


class RequestHead(NamedTuple):
    """The header section of a request, compressed."""

    block: bytes
    body_at: int
    """Where in the message the body begins."""
    is_head: bool


class ResponseHead(NamedTuple):
    """What one header section of a response says."""

    status: int
    size: int
    """Bytes of all names and values."""
    length: int
    """Content-Length; -1 without."""
    problem: str
    """Why it is malformed; empty when it is not."""
    problem_as_trailers: str
    """The same for the fields behind a body."""


def taken_apart(message: bytes, scheme: bytes) -> tuple[Fields, int]:
    """The fields of a request that is written out for HTTP/1.1, and where its body begins (RFC 9113 §8.2 and §8.3)."""
    end = message.index(b"\r\n\r\n")
    first, *lines = message[:end].split(b"\r\n")
    method, target, _ = first.split(b" ", 2)
    fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    named = dict(fields)
    pseudo = [
        (b":method", method),
        (b":scheme", scheme),
        (b":authority", named.get(b"host", b"")),
        (b":path", target),
    ]
    if b"te" in named or b"connection" in named:
        fields = _end_to_end(fields)
    return pseudo + [field for field in fields if field[0] not in _OF_THE_CONNECTION], end + 4


def _end_to_end(fields: Fields) -> Fields:
    """Those that Connection does not name. TE stays where it says `trailers`, the one thing it may say."""
    named = {token for name, value in fields if name == b"connection" for token in _tokens(value)}
    kept = [field for field in fields if field[0] != b"te" and field[0] not in named]
    trailers = any(b"trailers" in _tokens(value) for name, value in fields if name == b"te")
    return [*kept, (b"te", b"trailers")] if trailers else kept


def _tokens(value: bytes) -> list[bytes]:
    return [token.partition(b";")[0].strip().lower() for token in value.split(b",")]


def read_fields(fields: Fields) -> ResponseHead:
    """What the fields of a response say, and whether they may (RFC 9113 §8.1.1, §8.2 and §8.3.2)."""
    size, length = 0, -1
    statuses: list[bytes] = []
    problem = bad_length = ""
    for position, (name, value) in enumerate(fields):
        size += len(name) + len(value)
        if name == b":status":
            statuses.append(value)
            if position >= len(statuses):
                problem = problem or ":status behind other fields"
        elif _NAME.fullmatch(name) is None:
            problem = problem or f"a field called {_shown(name)}"
        elif _NOT_IN_A_VALUE.search(value):
            problem = problem or f"{name.decode()} is {_shown(value)}"
        elif name in _OF_THE_CONNECTION and name != b"host":
            problem = problem or f"the field {name.decode()}, which HTTP/2 does not have"
        elif name == b"content-length":
            if _LENGTH.fullmatch(value) is None:
                bad_length = bad_length or f"content-length is {_shown(value)}"
            elif length not in (-1, int(value)):
                bad_length = bad_length or f"content-length is {length} and {int(value)}"
            else:
                length = int(value)
    bad_status = ""
    if len(statuses) != 1:
        bad_status = "more than one :status" if statuses else "no :status"
    elif _STATUS.fullmatch(statuses[0]) is None:
        bad_status = f":status is {_shown(statuses[0])}"
    elif statuses[0] == b"101":
        bad_status = ":status is 101, but HTTP/2 switches to no other protocol"
    return ResponseHead(
        status=0 if bad_status else int(statuses[0]),
        size=size,
        length=length,
        problem=problem or bad_status or bad_length,
        problem_as_trailers=problem or (":status in trailers" if statuses else ""),
    )


def table_use(block: bytes) -> tuple[bool, bool]:
    """Whether a block changes the dynamic table, and whether it refers to it (RFC 7541 §6).

    One that is cut off, or changes the table's size, does both: so nothing is concluded from it.
    """
    changes = refers = False
    at, end = 0, len(block)
    try:
        while at < end:
            first = block[at]
            if first & 0xE0 == 0x20:
                return True, True
            prefix = 7 if first & 0x80 else 6 if first & 0x40 else 4
            index, at = _integer(block, at, prefix)
            refers = refers or index > _STATIC_ENTRIES
            if prefix == 7:
                continue
            changes = changes or prefix == 6
            for _ in range(1 if index else 2):  # the value, and the name where it has no index
                length, at = _integer(block, at, 7)
                at += length
    except IndexError:
        return True, True
    return (changes, refers) if at == end else (True, True)


def _integer(block: bytes, at: int, prefix: int) -> tuple[int, int]:
    most = (1 << prefix) - 1
    value = block[at] & most
    at += 1
    if value == most:
        shift = 0
        while True:
            octet = block[at]
            at += 1
            value += (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                break
            if shift > _LONGEST_INTEGER:
                raise IndexError
    return value, at


class HeaderEncoder:
    """Compresses the header sections of one connection's requests.

    What comes for the first time is written out; what comes again gets a place in the table. So what is different in
    each request, such as a number, does not push out what all have in common.

    Args:
        scheme: of the target, for `:scheme`.
    """

    def __init__(self, scheme: bytes) -> None:
        self._scheme = scheme
        self._encoder = hpack.Encoder()
        self._seen: set[tuple[bytes, bytes]] = set()
        self._fields: dict[tuple[bytes, bytes], bytes] = {}
        """Fields that are compressed in the same way until the table changes."""
        self._known: dict[bytes, RequestHead] = {}
        """Messages of nothing but such fields."""
        self._known_bytes = 0

    def encode(self, message: bytes) -> RequestHead:
        """The header section of a request that is written out for HTTP/1.1."""
        known = self._known.get(message)
        if known is not None:
            return known
        fields, body_at = taken_apart(message, self._scheme)
        compressed = [self._fields.get(field) or self._compress(field) for field in fields]
        head = RequestHead(b"".join(compressed), body_at, fields[0][1] == b"HEAD")
        if all(map(self._fields.__contains__, fields)):
            if self._known_bytes > _MOST_BYTES_KNOWN:
                self._known.clear()
                self._known_bytes = 0
            self._known[message] = head
            self._known_bytes += len(message)
        return head

    def _compress(self, field: tuple[bytes, bytes]) -> bytes:
        name, value = field
        again = field in self._seen
        indexed = again and name not in _NOT_INDEXED and len(name) + len(value) <= _TABLE_BYTES // 2
        block = self._encoder.encode([(name, value, not indexed)], huffman=indexed)
        changes, _ = table_use(block)
        if changes:
            self._forget()
        elif again:
            if len(self._fields) >= _MOST_KNOWN:
                self._fields.clear()
            self._fields[field] = block
        if len(self._seen) >= _MOST_KNOWN:
            self._seen.clear()
        self._seen.add(field)
        return block

    def _forget(self) -> None:
        self._fields.clear()
        self._known.clear()
        self._known_bytes = 0

    def limit_table(self, size: int) -> None:
        """The server wants a table of so many bytes at the most."""
        self._forget()
        encoder = self._encoder
        encoder.header_table_size = size = min(size, _TABLE_BYTES)
        # The smallest size since the last section and the present one are told (RFC 7541 §4.2). Of itself, hpack tells
        # also those between, which may be allowed no longer, and none when one comes twice.
        if changes := encoder.table_size_changes:
            changes[:] = sorted({min(changes), size})
            encoder.header_table.resized = True


class HeaderDecoder:
    """Reads the compressed header sections of one connection's responses."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(LARGEST_LIST)
        self._of_itself = hpack.Decoder(LARGEST_LIST)
        """For blocks that do not refer to the table: whatever is in this one's does not matter."""
        self._known: dict[bytes, tuple[ResponseHead, bool]] = {}
        """Blocks that mean the same whatever the table, and whether they change it."""
        self._known_for_now: dict[bytes, ResponseHead] = {}
        """Blocks that mean the same until the table changes."""
        self._behind: deque[bytes] = deque(maxlen=_TABLE_BYTES // _ENTRY_BYTES)
        """Blocks whose changes `_decoder` has not seen yet; of more than these none would be left in its table."""

    def decode(self, block: bytes) -> ResponseHead:
        """What a whole block of header fields says.

        Raises:
            ViolationError: it cannot be decompressed, or is too large.
        """
        known = self._known.get(block)
        if known is None:
            head = self._known_for_now.get(block)
            if head is not None:
                return head
            changes, refers = table_use(block)
            if refers:
                return self._decode_by_table(block, changes)
            head = self._read(self._of_itself, block)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            if len(block) <= _LONGEST_KNOWN:
                self._known[block] = head, changes
        else:
            head, changes = known
        if changes:
            self._behind.append(block)
            self._known_for_now.clear()
        return head

    def _decode_by_table(self, block: bytes, changes: bool) -> ResponseHead:
        for earlier in self._behind:
            self._read(self._decoder, earlier)
        self._behind.clear()
        head = self._read(self._decoder, block)
        if changes or len(self._known_for_now) >= _MOST_KNOWN:
            self._known_for_now.clear()
        if not changes and len(block) <= _LONGEST_KNOWN:
            self._known_for_now[block] = head
        return head

    @staticmethod
    def _read(decoder: hpack.Decoder, block: bytes) -> ResponseHead:
        try:
            return read_fields([(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)])
        except hpack.OversizedHeaderListError as error:
            raise ViolationError(
                f"headers of more than {LARGEST_LIST} bytes",
                ErrorCode.ENHANCE_YOUR_CALM,
                failures.RESPONSE_HEAD_TOO_LARGE,
            ) from error
        except hpack.HPACKError as error:
            why = str(error).partition(" from <memory")[0]  # of which hpack shows the address
            raise ViolationError(f"headers cannot be decompressed: {why}", ErrorCode.COMPRESSION_ERROR) from error


def _shown(value: bytes) -> str:
    text = repr(value.decode(errors="replace"))
    return text if len(text) <= 60 else f"{text[:60]}…"
