"""The bytes between agent and parent: frames of a kind and a length, hot records as int64 arrays, the rest as JSON.

A frame is `<IB`: payload length, kind; then the payload. Names and other rare things are JSON; hot records are arrays
of int64 in the machine's byte order (both ends run on the same machine). The decoder trusts nothing: lengths and
numbers are checked, and anything else raises ProtocolError.
"""

from __future__ import annotations

import struct
from array import array

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "ACKNOWLEDGE",
    "CACHES",
    "DROPPED",
    "EXPLAIN",
    "FAILED",
    "FLUSH",
    "FRAME",
    "GC_PAUSE",
    "HELLO",
    "LONG_STEP",
    "MAX_FRAME",
    "NAMES",
    "PARAMETERS",
    "PARTS",
    "REQUEST",
    "REQUEST_HEAD",
    "RESOURCE",
    "STACK",
    "UNMATCHED",
    "FrameReader",
    "ProtocolError",
    "decode_integers",
    "decode_json",
    "encode",
    "encode_json",
]

UNMATCHED = "(unmatched)"
"""The route of requests that matched none, in records, pages, logs and metrics."""

FRAME = struct.Struct("<IB")
MAX_FRAME = 16 * 1024 * 1024
"""No frame is longer: a longer announced length means the stream is corrupt."""

HELLO = 1
NAMES = 2
"""JSON list of [table, number, value]: what the numbers in later records stand for."""
REQUEST = 3
"""int64: the ten numbers of a head (REQUEST_HEAD), then eight an event."""
LONG_STEP = 4
"""int64: start, wall, cpu, stack, route."""
STACK = 5
"""int64: from, to, then stack, route, samples, cpu for each distinct stack sampled between the two moments."""
GC_PAUSE = 6
"""int64: start, duration, generation."""
RESOURCE = 7
"""int64: at, cpu, rss, threads, loop lag or -1, commits, allocated blocks or -1."""
EXPLAIN = 8
"""JSON: {statement, plan, database, parameters}."""
DROPPED = 9
"""int64: records lost since the last frame of this kind."""
FAILED = 10
"""JSON: {hook, error, count}; a part of the agent that has raised so often, and its first error."""
ACKNOWLEDGE = 11
"""Empty: all records made before the parent's FLUSH have been sent."""
PARAMETERS = 12
"""JSON: {statement, parameters, sql?}; of one execution, [type, size] of each; on demand its value and the text."""
CACHES = 13
"""int64: at; then JSON, of the service's own perfloop: what its caches have counted since they were made."""
PARTS = 14
"""As CACHES, of the parts of its policies: breakers, bulkheads, limits."""

FLUSH = b"F"
"""The one control byte the parent sends."""

REQUEST_HEAD = 10
"""started, first byte, ended, span, method, route, status, flags (1: has span, 2: async), handler, error."""


class ProtocolError(ValueError):
    """Bytes that no agent of this version sends."""


def encode(kind: int, payload: bytes) -> bytes:
    """One frame."""
    return FRAME.pack(len(payload), kind) + payload


def encode_json(kind: int, value: Any) -> bytes:
    """One frame of JSON. Text that is no valid Unicode is replaced, never fatal."""
    import json

    return encode(kind, json.dumps(value, separators=(",", ":"), default=repr).encode("utf-8", "replace"))


def decode_json(payload: bytes) -> Any:
    """The value of a JSON payload.

    Raises:
        ProtocolError: it is not JSON.
    """
    import json

    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"Expected JSON: {error}") from error


def decode_integers(payload: bytes, least: int, step: int = 0) -> array[int]:
    """The int64 payload: at least `least` numbers, and beyond them whole groups of `step` (0: none).

    Raises:
        ProtocolError: a length that does not fit.
    """
    count, rest = divmod(len(payload), 8)
    beyond = count - least
    if rest or beyond < 0 or (beyond % step if step else beyond):
        raise ProtocolError(f"Expected {least} integers and groups of {step}, got {len(payload)} bytes")
    numbers = array("q")
    numbers.frombytes(payload)
    return numbers


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames (kind, payload) completed by `data`.

        Raises:
            ProtocolError: the stream is corrupt; nothing more can be read from it.
        """
        buffer = self._buffer
        buffer += data
        frames: list[tuple[int, bytes]] = []
        at = 0
        size = FRAME.size
        while len(buffer) - at >= size:
            length, kind = FRAME.unpack_from(buffer, at)
            if length > MAX_FRAME or not HELLO <= kind <= PARTS:
                raise ProtocolError(f"Expected a frame, got kind {kind} of {length} bytes")
            if len(buffer) - at - size < length:
                break
            frames.append((kind, bytes(buffer[at + size : at + size + length])))
            at += size + length
        if at:
            del buffer[:at]
        return frames
