"""Keys and tags as text, by the keys' declared type: equal keys have one text, others different ones."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..exceptions import InvalidValue
from .encoding import Undecodable

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["KeyCodec", "checked_tags", "distinct", "not_hashable"]

K = TypeVar("K")
T = TypeVar("T")
_LONGEST = 10_000


class KeyCodec(Generic[T]):
    """Keys of one type as text, and back.

    Args:
        kind: str, a number, bytes, UUID, an enum, a moment, a tuple, frozen set or frozen struct of these.

    Raises:
        InvalidValue: a type whose values cannot be hashed, or of which two that are equal may have different texts.
    """

    def __init__(self, kind: Any = str) -> None:
        if kind is not str and not _is_of_one_text(msgspec.inspect.type_info(kind)):
            raise InvalidValue(
                "Expected keys of a type whose equal values have one text: str, a number, bytes, UUID, an enum, a"
                " moment, or a tuple, frozen set or frozen struct of these",
                got=kind,
                hint="as text: str(key)",
            )
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)

    def encode(self, key: Hashable) -> str:
        """The key as text: one for all keys that are equal, and different ones for all others.

        Raises:
            InvalidValue: a key of another type, with a number that is not finite, of more than 10,000 characters, or
                with half a character.
        """
        if self._kind is str:
            if not isinstance(key, str):
                raise InvalidValue(
                    "Expected a key that is a str", got=key, hint="declare the type: MultiLevelCache(key=…)"
                )
            return _checked(key, "key")
        try:
            checked = msgspec.convert(key, self._kind, strict=True)
            if type(checked) not in _ONE_TEXT:
                plain = msgspec.to_builtins(checked, builtin_types=_MANY_TEXTS, order="deterministic")
                checked = _with_one_text(plain)
            text = msgspec.json.encode(checked).decode()
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError) as error:
            raise InvalidValue(f"Expected a key of the declared type: {error}", got=key) from error
        return _checked(text, "key")

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


def distinct(keys: Iterable[K]) -> dict[K, None]:
    """The keys, each once, in their order.

    Raises:
        InvalidValue: one that cannot be hashed.
    """
    each = list(keys)
    try:
        return dict.fromkeys(each)
    except TypeError as error:
        raise not_hashable(each) from error


def not_hashable(key: object) -> InvalidValue:
    """The error of a key that is none of any type."""
    return InvalidValue("Expected a key that can be hashed", got=key, hint="a tuple in the place of a list")


def checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags.

    Raises:
        InvalidValue: one that is no text, or too long, as keys may be.
    """
    if isinstance(tags, str):
        raise InvalidValue("Expected several tags, got one text", got=tags, hint=f"write  [{tags!r}]")
    if not isinstance(tags, Iterable):
        raise InvalidValue(f"Expected tags, as many texts as there are, got a {type(tags).__name__}")
    return tuple([_checked(tag, "tag") for tag in tags])


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise InvalidValue(f"Expected a {what} that is a str", got=text)
    if len(text) > _LONGEST:
        raise InvalidValue(f"Expected a {what} of at most {_LONGEST:,} characters", got=f"{text[:40]}…")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidValue(f"Expected a {what} of whole characters: {error.reason}", got=text[:40]) from error
    return text


def _is_of_one_text(kind: msgspec.inspect.Type) -> bool:
    about = msgspec.inspect
    if isinstance(kind, about.UnionType):
        several = sum(map(_is_number, kind.types)) > 1
        return all(map(_is_of_one_text, kind.types)) and not (several and any(map(_is_like_a_number, kind.types)))
    if isinstance(kind, about.TupleType):
        return all(map(_is_of_one_text, kind.item_types))
    if isinstance(kind, (about.VarTupleType, about.FrozenSetType)):
        return _is_of_one_text(kind.item_type)
    if isinstance(kind, about.StructType):
        config = kind.cls.__struct_config__
        return config.frozen and config.eq and all(_is_of_one_text(field.type) for field in kind.fields)
    if isinstance(kind, about.NamedTupleType):
        return all(_is_of_one_text(field.type) for field in kind.fields)
    return isinstance(kind, _ATOMS)


def _is_number(kind: msgspec.inspect.Type) -> bool:
    about = msgspec.inspect
    return isinstance(kind, (about.IntType, about.FloatType, about.DecimalType)) or _is_like_a_number(kind)


def _is_like_a_number(kind: msgspec.inspect.Type) -> bool:
    """Whether one of its values is equal to a number without being written as one, as True is to 1."""
    about = msgspec.inspect
    if isinstance(kind, about.DecimalType):  # a text in JSON
        return True
    if isinstance(kind, about.EnumType):
        return issubclass(kind.cls, int)
    if isinstance(kind, about.LiteralType):
        return any(isinstance(value, int) for value in kind.values)
    return isinstance(kind, about.BoolType)


_ATOMS = (
    msgspec.inspect.NoneType,
    msgspec.inspect.BoolType,
    msgspec.inspect.IntType,
    msgspec.inspect.FloatType,
    msgspec.inspect.DecimalType,
    msgspec.inspect.DateTimeType,
    msgspec.inspect.StrType,
    msgspec.inspect.BytesType,
    msgspec.inspect.DateType,
    msgspec.inspect.TimeDeltaType,
    msgspec.inspect.UUIDType,
    msgspec.inspect.EnumType,
    msgspec.inspect.LiteralType,
)


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
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**64:  # JSON's whole numbers here
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
