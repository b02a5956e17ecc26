"""The types of options given from Python: a wrong one is named before anything runs, not somewhere inside of it."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any, NamedTuple

from .exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["BYTES", "FLAG", "NUMBER", "PAIRS", "TEXT", "WHOLE", "WORDS", "FieldType", "check_fields"]


class FieldType(NamedTuple):
    """What a field takes."""

    types: tuple[type, ...]
    words: str
    """What to call it in a message: `a number`."""
    item: FieldType | None = None
    """What its items are, where it is a series."""
    secret: bool = False
    """Its value may be a secret, and is never shown."""


BYTES = FieldType((bytes,), "bytes, such as b'{}'", secret=True)
FLAG = FieldType((bool,), "True or False")
NUMBER = FieldType((numbers.Real,), "a number")
TEXT = FieldType((str,), "text")
WHOLE = FieldType((numbers.Integral,), "a whole number")
WORDS = FieldType((tuple, list), "a tuple of texts", TEXT, secret=True)
_PAIR = FieldType((tuple, list), "a pair of texts", TEXT, secret=True)
PAIRS = FieldType((tuple, list), "pairs of name and value, such as (('Accept', '*/*'),)", _PAIR, secret=True)


def check_fields(options: object, fields: Mapping[str, FieldType], *, optional: Iterable[str] = ()) -> None:
    """Check the types of some fields of an object; those that are `optional` may be None.

    Raises:
        InvalidValue: names the field, what was expected, and the value or the type that was got.
    """
    for name, field in fields.items():
        value = getattr(options, name)
        if value is None and name in optional:
            continue
        for wrong in _wrong(value, field):
            words = f"{field.words} or None" if name in optional else field.words
            if wrong is None:
                raise InvalidValue(f"Expected {words}, not None", where=name)
            plain = not field.secret and isinstance(wrong, str | int | float)
            raise InvalidValue(f"Expected {words}", got=wrong if plain else type(wrong), where=name)


def _wrong(value: Any, field: FieldType) -> Iterator[Any]:
    """The value where it is not of the type, or each of its items that is not."""
    is_of_type = isinstance(value, field.types) and (field is FLAG or not isinstance(value, bool))
    if not is_of_type or (field is _PAIR and len(value) != 2):
        yield value
    elif field.item is not None:
        for item in value:
            yield from _wrong(item, field.item)
