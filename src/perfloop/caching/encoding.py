"""Values as bytes, by their declared type. Nothing that is read is executed."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import msgspec

from ..exceptions import InvalidValue
from .kinds import leaves_open
from .pydantic_models import decode_model, encode_model, model_schema

__all__ = ["Decoded", "Undecodable", "ValueCodec"]

_FORMAT = 2
_COMPRESSED = 1
_HEADER = struct.Struct("!BBIf")
_CHECK = struct.Struct("!I")
_START = _HEADER.size + _CHECK.size
_MOST_BYTES = 512 * 1024 * 1024
_NONE = msgspec.msgpack.encode(None)


class Undecodable(Exception):
    """Bytes that are no value of ours: damaged, of another version, or another type's."""


class Decoded(msgspec.Struct, frozen=True):
    """A value and how long it took to load."""

    value: Any
    load_seconds: float


class ValueCodec:
    """Values of one type as bytes: a header, a checksum, and MessagePack, compressed when it is long.

    Args:
        kind: the type, anything msgspec knows, and models of pydantic, also within others.
        version: change it when a value means something else although its type is the same; what was written under
            another version, or for another type, is a miss.
        compress_above: bytes.

    Raises:
        InvalidValue: msgspec does not know the type.
    """

    def __init__(self, kind: Any, *, version: str = "", compress_above: int = 2048) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=encode_model)
        try:
            self._decoder = msgspec.msgpack.Decoder(kind, dec_hook=decode_model)
        except TypeError as error:
            raise InvalidValue(f"Expected values of a type that msgspec knows: {error}", got=kind) from error
        try:
            schema = msgspec.json.encode(msgspec.json.schema(kind, schema_hook=model_schema), order="deterministic")
        except TypeError:  # a type that has no JSON Schema
            schema = repr(kind).encode()
        self._kind = zlib.crc32(schema + version.encode())
        self._compress_above = compress_above
        self._leaves_open = leaves_open(kind)

    def encode(self, value: Any, load_seconds: float = 0.0) -> bytes:
        """The value as bytes.

        Raises:
            InvalidValue: msgspec cannot encode it, or it is not of the declared type.
        """
        try:
            payload = self._encoder.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidValue(
                f"Expected a value that can be encoded, got a {type(value).__name__}: {error}",
                hint="return a msgspec Struct, a dataclass, a pydantic model or plain values from the loader",
            ) from error
        try:
            back = self._read(payload)
        except msgspec.ValidationError as error:  # said to who brings it rather than to each reader
            raise InvalidValue(
                f"Expected a value of the cache's type, got a {type(value).__name__}: {error}",
                hint="what a loader returns, or `set` is given, is of the type the cache was made with",
            ) from error
        if self._leaves_open and not _same(back, value):
            raise InvalidValue(
                f"Expected the values' type to be declared: a {type(value).__name__} would come back as something else",
                hint="where the type is Any put texts, numbers, lists and dictionaries, or declare it: a dataclass,"
                " a TypedDict, a MultiLevelCache of the value's type",
            )
        flags = 0
        if len(payload) > self._compress_above:
            packed = zlib.compress(payload, 1)
            if len(packed) < len(payload):
                payload, flags = packed, _COMPRESSED
        head = _HEADER.pack(_FORMAT, flags, self._kind, load_seconds)
        return head + _CHECK.pack(_checksum(head, payload)) + payload

    def decode(self, data: bytes) -> Decoded:
        """The value of the bytes.

        Raises:
            Undecodable: they are no such value.
        """
        try:
            form, flags, kind, load_seconds = _HEADER.unpack_from(data)
            if form != _FORMAT or kind != self._kind:
                raise Undecodable(f"format {form}, type {kind:08x}; expected format {_FORMAT}, type {self._kind:08x}")
            payload = data[_START:]
            if _CHECK.unpack_from(data, _HEADER.size) != (_checksum(data[: _HEADER.size], payload),):
                raise Undecodable("damaged: the checksum differs")
            if flags & _COMPRESSED:
                payload = _decompress(payload)
            return Decoded(self._read(payload), load_seconds)
        except (struct.error, zlib.error, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Undecodable(f"{type(error).__name__}: {error}") from error

    def _read(self, payload: bytes) -> Any:
        """The value; None, whatever the type, where nothing was found."""
        return None if payload == _NONE else self._decoder.decode(payload)


def _same(back: Any, value: Any) -> bool:
    """Whether the value came back as it was; NaN, which equals nothing, may be anywhere in it."""
    if back == value or (back != back and value != value):
        return True
    if isinstance(back, dict) and isinstance(value, dict):
        return back.keys() == value.keys() and all(_same(each, value[key]) for key, each in back.items())
    if isinstance(back, list) and isinstance(value, list):
        return len(back) == len(value) and all(map(_same, back, value))
    return False


def _checksum(head: bytes, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(head))


def _decompress(payload: bytes) -> bytes:
    """What was compressed, if it is not a bomb."""
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(payload, _MOST_BYTES)
    if not decompressor.eof or decompressor.unused_data:
        raise Undecodable(f"compressed data that is cut off, or of more than {_MOST_BYTES:,} bytes")
    return data
