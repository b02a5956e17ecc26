"""Values and keys as bytes and text, by their declared types. Nothing that is read is executed."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
import zlib
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..exceptions import InvalidValue
from .pydantic_models import decode_model, encode_model, model_schema

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Decoded", "KeyCodec", "Undecodable", "ValueCodec"]

T = TypeVar("T")
_FORMAT = 1
_COMPRESSED = 1
_HEADER = struct.Struct("!BBIf")
_MOST_KEY = 10_000
_MOST_BYTES = 512 * 1024 * 1024
_NONE = msgspec.msgpack.encode(None)


class Undecodable(Exception):
    """Bytes that are no value of ours: damaged, of another version, or another type's."""


class Decoded(msgspec.Struct, frozen=True):
    """A value and how long it took to load."""

    value: Any
    load_seconds: float


class ValueCodec:
    """Values of one type as bytes: a header, and MessagePack, compressed when it is long.

    Args:
        kind: the type, anything msgspec knows, and models of pydantic, also within others.
        version: change it when a value means something else although its type is the same; what was written under
            another version, or for another type, is a miss.
        compress_above: bytes.
    """

    def __init__(self, kind: Any, *, version: str = "", compress_above: int = 2048) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=encode_model)
        self._decoder = msgspec.msgpack.Decoder(kind, dec_hook=decode_model)
        try:
            schema = msgspec.json.encode(msgspec.json.schema(kind, schema_hook=model_schema), order="deterministic")
        except TypeError:  # a type that has no JSON Schema
            schema = repr(kind).encode()
        self._kind = zlib.crc32(schema + version.encode())
        self._compress_above = compress_above
        self._undeclared = kind in (Any, object)

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
        if self._undeclared and back != value:
            raise InvalidValue(
                f"Expected the values' type to be declared: a {type(value).__name__} would come back as something else",
                hint="give texts, numbers, lists, dictionaries of texts, or use a MultiLevelCache of the value's type",
            )
        flags = 0
        if len(payload) > self._compress_above:
            packed = zlib.compress(payload, 1)
            if len(packed) < len(payload):
                payload, flags = packed, _COMPRESSED
        return _HEADER.pack(_FORMAT, flags, self._kind, load_seconds) + payload

    def decode(self, data: bytes) -> Decoded:
        """The value of the bytes.

        Raises:
            Undecodable: they are no such value.
        """
        try:
            form, flags, kind, load_seconds = _HEADER.unpack_from(data)
            if form != _FORMAT or kind != self._kind:
                raise Undecodable(f"format {form}, type {kind:08x}; expected format {_FORMAT}, type {self._kind:08x}")
            payload = data[_HEADER.size :]
            if flags & _COMPRESSED:
                payload = _decompress(payload)
            return Decoded(self._read(payload), load_seconds)
        except (struct.error, zlib.error, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Undecodable(f"{type(error).__name__}: {error}") from error

    def _read(self, payload: bytes) -> Any:
        """The value; None, whatever the type, where nothing was found."""
        return None if payload == _NONE else self._decoder.decode(payload)


def _decompress(payload: bytes) -> bytes:
    """What was compressed, if it is not a bomb."""
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(payload, _MOST_BYTES)
    if not decompressor.eof or decompressor.unused_data:
        raise Undecodable(f"compressed data that is cut off, or of more than {_MOST_BYTES:,} bytes")
    return data


class KeyCodec(Generic[T]):
    """Keys of one type as text, and back.

    Args:
        kind: str, int, bytes, UUID, an enum, a tuple of these: whatever msgspec knows that can be hashed.
    """

    def __init__(self, kind: Any = str) -> None:
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def encode(self, key: Hashable) -> str:
        """The key as text: one for all keys that are equal, and different ones for all others.

        Raises:
            InvalidValue: a key of another type, with a number that is not finite, or of more than 10,000 characters.
        """
        if self._kind is str:
            if not isinstance(key, str):
                raise InvalidValue(
                    "Expected a key that is a str", got=key, hint="declare the type: MultiLevelCache(key=…)"
                )
            text = key
        else:
            try:
                checked = msgspec.convert(key, self._kind, strict=True)
                if type(checked) not in _ONE_TEXT:
                    plain = msgspec.to_builtins(checked, builtin_types=_MANY_TEXTS, order="deterministic")
                    checked = _with_one_text(plain)
                text = msgspec.json.encode(checked).decode()
            except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
                raise InvalidValue(f"Expected a key of the declared type: {error}", got=key) from error
        if len(text) > _MOST_KEY:
            raise InvalidValue(f"Expected a key of at most {_MOST_KEY:,} characters", got=f"{text[:40]}…")
        return text

    def decode(self, text: str) -> Any:
        """The key of the text.

        Raises:
            Undecodable: it is no key of ours.
        """
        if self._kind is str:
            return text
        try:
            return self._decoder.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Undecodable(f"{type(error).__name__}: {error}") from error


_ONE_TEXT = {int, str, bytes, bool, datetime.date}
_MANY_TEXTS = (decimal.Decimal, datetime.datetime)


def _with_one_text(value: Any) -> Any:
    """What has the same text as all that is equal to it: 0.0 and -0.0, 1 and 1.0, the hours of two time zones.

    Raises:
        ValueError, OverflowError: a number that is not finite, which has none in JSON; a time before the year 1.
    """
    if isinstance(value, (list, tuple)):
        return [_with_one_text(each) for each in value]
    if isinstance(value, dict):
        return {name: _with_one_text(each) for name, each in value.items()}
    if isinstance(value, (float, decimal.Decimal)) and not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    if isinstance(value, decimal.Decimal):
        sign, digits, exponent = value.as_tuple()
        kept = "".join(map(str, digits)).rstrip("0")
        if not kept:
            return decimal.Decimal(0)
        return decimal.Decimal((sign, tuple(map(int, kept)), int(exponent) + len(digits) - len(kept)))
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC)
    return value
