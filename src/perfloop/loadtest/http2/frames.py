"""Frames of HTTP/2 (RFC 9113 §4, §6 and §7): their numbers, how they are written, and what ends a connection."""

from __future__ import annotations

import enum
import struct

from .. import failures

__all__ = [
    "ACK",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "GOAWAY",
    "HEADERS",
    "HEAD_SIZE",
    "LARGEST_FRAME",
    "LARGEST_STREAM",
    "LARGEST_WINDOW",
    "PADDED",
    "PING",
    "PREFACE",
    "PRIORITY",
    "PUSH_PROMISE",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "WITH_PRIORITY",
    "ErrorCode",
    "Setting",
    "ViolationError",
    "error_name",
    "frame",
    "read_head",
    "read_settings",
    "unpadded",
    "write_settings",
]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20
LARGEST_FRAME = 1 << 14
"""Bytes of a payload that anyone must take, and nobody may exceed who was not told so."""
LARGEST_STREAM = LARGEST_WINDOW = (1 << 31) - 1

_HEAD = struct.Struct(">HBBBL")
HEAD_SIZE = _HEAD.size
read_head = _HEAD.unpack_from
"""The length's upper 16 and lower 8 bits, type, flags, and stream with a reserved bit."""
_SETTING = struct.Struct(">HL")


class ErrorCode(enum.IntEnum):
    """Why a stream or connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Setting(enum.IntEnum):
    """What each side tells the other about itself."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ViolationError(Exception):
    """The server broke the protocol in a way that ends the connection.

    Args:
        kind: of failure that its requests are counted as.
    """

    def __init__(self, text: str, code: ErrorCode = ErrorCode.PROTOCOL_ERROR, kind: str = failures.INVALID_RESPONSE):
        super().__init__(text)
        self.code = code
        self.kind = kind


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame as it is sent."""
    length = len(payload)
    return _HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def unpadded(payload: bytes) -> bytes:
    """The payload of a frame with the flag PADDED, without its padding.

    Raises:
        ViolationError: the padding is longer than the frame.
    """
    if not payload or payload[0] >= len(payload):
        raise ViolationError("a frame of nothing but padding")
    return payload[1 : len(payload) - payload[0]]


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Settings in the order of their frame.

    Raises:
        ViolationError: a frame of the wrong size, or a value out of range.
    """
    if len(payload) % _SETTING.size:
        raise ViolationError(f"SETTINGS of {len(payload)} bytes", ErrorCode.FRAME_SIZE_ERROR)
    settings = list(_SETTING.iter_unpack(payload))
    for setting, value in settings:
        if setting == Setting.INITIAL_WINDOW_SIZE and value > LARGEST_WINDOW:
            raise ViolationError(f"SETTINGS with a window of {value} bytes", ErrorCode.FLOW_CONTROL_ERROR)
        if setting == Setting.MAX_FRAME_SIZE and not LARGEST_FRAME <= value < 1 << 24:
            raise ViolationError(f"SETTINGS with frames of {value} bytes")
        if setting == Setting.ENABLE_PUSH and value:
            raise ViolationError("SETTINGS with ENABLE_PUSH, which only a client may send")
    return settings


def write_settings(settings: dict[Setting, int]) -> bytes:
    """The payload of a SETTINGS frame."""
    return b"".join(_SETTING.pack(setting, value) for setting, value in settings.items())


def error_name(code: int) -> str:
    """An error code's name, or its number where it has none."""
    return ErrorCode(code).name if code in ErrorCode.__members__.values() else f"error {code}"
