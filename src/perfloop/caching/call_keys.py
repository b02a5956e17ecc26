"""The key of a call, out of its arguments: by a template, or all of them. Different arguments never have one key."""

from __future__ import annotations

import datetime
import decimal
import enum
import inspect
import string
import uuid
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

from ..exceptions import ConfigurationError, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Template", "key_template", "read_template", "text_of"]

Template: TypeAlias = "Callable[[Sequence[Any], Mapping[str, Any]], str]"
_SAFE = " @.-_"
_IN_TEXTS = {*string.ascii_letters, *string.digits, *"%(),"}
"""What the text of a value may be made of, besides what is safe: that only where no literal has it."""


def read_template(template: str, signature: inspect.Signature, prefix: str = "") -> Template:
    """A template such as `user:{user_id}` as a function of a call.

    Raises:
        ConfigurationError: it is no template, or names what is no argument.
    """
    literals, names = [f"{prefix}:" if prefix else ""], []
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigurationError(f"Expected a template such as 'user:{{user_id}}': {error}", got=template) from error
    for literal, name, format_spec, conversion in pieces:
        literals[-1] += literal
        if name is None:
            continue
        if format_spec or conversion or name not in signature.parameters:
            known = ", ".join(signature.parameters) or "none"
            raise ConfigurationError(
                f"Expected names of arguments alone between the braces ({known})", got=template, where=f"{{{name}}}"
            )
        names.append(name)
        literals.append("")
    for between in literals[1:-1]:
        if not set(between) - _IN_TEXTS:
            raise ConfigurationError(
                "Expected something between two arguments that is in neither, such as ':'", got=template
            )
    return _template(signature, literals, names)


def key_template(signature: inspect.Signature, prefix: str) -> Template:
    """All arguments, behind a prefix."""
    names = list(signature.parameters)
    return _template(signature, [f"{prefix}:", *[","] * (len(names) - 1), ""] if names else [prefix], names)


def _template(signature: inspect.Signature, literals: Sequence[str], names: Sequence[str]) -> Template:
    """Literals around the texts of arguments: one literal more than names."""
    parameters = list(signature.parameters.values())
    places = {parameter.name: place for place, parameter in enumerate(parameters)}
    safe = "".join(set(_SAFE) - set("".join(literals)))
    fields = [
        (places[name], _plain_type(parameters[places[name]]), literal)
        for name, literal in zip(names, literals[1:], strict=True)
    ]
    simple = all(each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for each in parameters)
    count, first = len(parameters), literals[0]

    def key(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        if kwargs or len(args) != count or not simple:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args = list(bound.arguments.values())
        text = first
        for place, plain, literal in fields:
            value = args[place]
            kind = type(value)
            if kind is plain and (kind is int or (kind is str and value.isalnum() and value.isascii())):
                text += f"{value}{literal}"
            else:
                text += text_of(value, plain, safe) + literal
        return text

    if not simple or len(fields) != 1 or fields[0][1] is not int:
        return key
    place, _, last = fields[0]

    def key_of_number(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """The commonest: one number. More than twice as fast."""
        if not kwargs and len(args) == count:
            value = args[place]
            if type(value) is int:
                return f"{first}{value}{last}"
        return key(args, kwargs)

    return key_of_number


def _plain_type(parameter: inspect.Parameter) -> type | None:
    """The type whose values are written as they are; others of the same text are told apart by a mark."""
    by_name = {"str": str, "int": int, "UUID": uuid.UUID, "uuid.UUID": uuid.UUID}
    annotation = parameter.annotation
    kind = by_name.get(annotation) if isinstance(annotation, str) else annotation
    return kind if kind in by_name.values() else None


def text_of(value: Any, plain: type | None = None, safe: str = "") -> str:
    """A value as text that no other value has.

    Args:
        plain: values of this type have no mark in front.
        safe: characters besides letters and digits that are not quoted.

    Raises:
        InvalidValue: a value without a text of its own.
    """
    kind = type(value)
    if kind is str:
        text = value if value.isalnum() and value.isascii() else quote(value, safe=safe)
    elif kind in (list, tuple):
        text = "(" + ",".join(text_of(each) for each in value) + ")"
    elif kind is dict or kind in (set, frozenset):
        pieces = [text_of(pair) for pair in (value.items() if kind is dict else value)]
        text = "(" + ",".join(sorted(pieces)) + ")"
    elif isinstance(value, enum.Enum):
        # A flag may have bits that nobody has named.
        name = text_of(value.value) if value.name is None else quote(value.name, safe=safe)
        text = f"{quote(f'{kind.__module__}.{kind.__qualname__}', safe=safe)}.{name}"
    elif kind is bytes:
        text = value.hex()
    elif kind in _WRITTEN:
        text = quote(str(value), safe=safe)
    else:
        raise InvalidValue(
            f"Expected an argument with a text of its own, got a {kind.__qualname__}: two that are not equal could have"
            " one key",
            hint="name in  key='…{…}'  the arguments that matter to the result, such as an id",
        )
    return text if kind is plain else f"%{_MARKS.get(kind, 'Y')}{text}"


_WRITTEN = (
    int,
    bool,
    float,
    complex,
    type(None),
    uuid.UUID,
    decimal.Decimal,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
)
# Capitals that are no hexadecimal digits, which may follow a percent sign in a quoted text.
_MARKS = dict(zip((*_WRITTEN, str, bytes, list, tuple, dict, set, frozenset), "IGHJNUKLMOPSXRTQVW", strict=True))
