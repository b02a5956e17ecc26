"""What the coordinator and its workers say to each other: MessagePack, each message behind its length.

No pickle: what comes over a network is data, checked against these types.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from ...exceptions import InvalidValue
from ...records import ErrorKind, LoadSummary, SlowRequest  # noqa: TC001  # a Struct's types are read at run time
from ...stats import Increment  # noqa: TC001  # a Struct's types are read at run time
from ..endpoints import EndpointIncrement  # noqa: TC001  # a Struct's types are read at run time
from ..scenario.groups import GroupIncrement  # noqa: TC001  # a Struct's types are read at run time

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Begin",
    "Ended",
    "Failed",
    "Frames",
    "FromWorker",
    "Heartbeat",
    "Ready",
    "Report",
    "SecondIncrement",
    "Stop",
    "ToWorker",
    "decode_from_worker",
    "decode_to_worker",
    "frame",
    "read_frame",
]

_LENGTH = struct.Struct("<I")
_LONGEST = 1 << 30
_CHUNK = 1 << 20


class _Message(Struct, frozen=True, kw_only=True, tag=True):
    pass


# To a worker; its plan comes first, in a frame of its own.


class Begin(_Message, frozen=True, kw_only=True):
    """Begin the run at that moment of the worker's monotonic clock."""

    at: float


class Stop(_Message, frozen=True):
    """End the run at once, with what was measured until then."""


class Heartbeat(_Message, frozen=True):
    """The coordinator is there."""


# From a worker.


class Ready(_Message, frozen=True, kw_only=True):
    """The connections are open."""

    perfloop: str
    """Its version."""


class SecondIncrement(Struct, frozen=True, kw_only=True, array_like=True):
    """What finished in one second of the run, or in a part of it."""

    second: int
    requests: int
    errors: int
    bytes_received: int
    in_flight: int
    latency: Increment | None


class Report(_Message, frozen=True, kw_only=True, omit_defaults=True):
    """How the run is going, and everything that was recorded since the last report."""

    elapsed: float
    in_flight: int = 0
    backlog: int = 0
    rate: float = 0.0
    target_rate: float | None = None
    connections: int = 0
    phase: str = ""
    planned_rate: float | None = None
    requests: int = 0
    errors: int = 0
    bytes_received: int = 0
    statuses: dict[int, int] = {}
    failures: list[ErrorKind] = []
    events: list[ErrorKind] = []
    seconds: list[SecondIncrement] = []
    histograms: dict[str, Increment] = {}
    """By the recorder's names, and those of the phases of opening a connection."""
    endpoints: list[EndpointIncrement] = []
    groups: list[GroupIncrement] = []


class Ended(_Message, frozen=True, kw_only=True):
    """The run is over; the last report came before."""

    summary: LoadSummary
    """Of this worker alone."""
    partial: bool
    abandoned: int
    unmeasured: int = 0
    slowest: list[SlowRequest]
    teardown: list[ErrorKind]
    samples: dict[str, bytes] | None = None
    """Columns by name, where samples are kept; times count from the start of the run."""


class Failed(_Message, frozen=True, kw_only=True):
    """The run could not begin, or broke off."""

    error: str
    """The class, of `perfloop.exceptions`."""
    message: str
    got: str | None = None
    where: str | None = None
    hint: str | None = None


ToWorker = Begin | Stop | Heartbeat
FromWorker = Ready | Report | Ended | Failed

_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_encoder = msgspec.msgpack.Encoder()


def frame(message: ToWorker | FromWorker | bytes) -> bytes:
    """The message with its length before it; bytes as they are."""
    payload = message if isinstance(message, bytes) else _encoder.encode(message)
    return _LENGTH.pack(len(payload)) + payload


def decode_to_worker(payload: bytes) -> ToWorker:
    """The message a worker got."""
    return _to_worker.decode(payload)


def decode_from_worker(payload: bytes) -> FromWorker:
    """The message a worker sent.

    Raises:
        InvalidValue: it is none.
    """
    try:
        return _from_worker.decode(payload)
    except msgspec.MsgspecError as error:
        raise InvalidValue(f"Expected a message of a worker: {error}", got=f"{len(payload)} bytes") from error


def read_frame(descriptor: int) -> bytes | None:
    """The payload of the next frame, and nothing behind it; None where there is none."""
    head = _read(descriptor, _LENGTH.size)
    return None if head is None else _read(descriptor, _LENGTH.unpack(head)[0])


def _read(descriptor: int, length: int) -> bytes | None:
    whole = bytearray()
    while len(whole) < length:
        data = os.read(descriptor, min(_CHUNK, length - len(whole)))
        if not data:
            return None
        whole += data
    return bytes(whole)


class Frames:
    """Takes bytes as they come, and gives the payloads of whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that are whole now.

        Raises:
            InvalidValue: a length that no message has.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > _LONGEST:
                raise InvalidValue("Expected a message of a worker", got=f"a frame of {length:,} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield payload
