"""Text with placeholders: `{name}` stands for a value, `{{name}}` for the text `{name}`; any other brace is itself.

A template is parsed once into constants and slots and compiled into one `bytes` format, so that rendering is one
formatting operation. Nothing is evaluated: a placeholder is a name, or `feeder.column`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from ...exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = [
    "BytesTemplate",
    "Part",
    "Slot",
    "expand",
    "given_target",
    "header_text",
    "json_text",
    "parse",
    "path_template",
    "percent_encoded",
    "plain",
    "slots",
    "target_bytes",
]

_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)?"
_PLACEHOLDER = re.compile(rf"\{{\{{({_NAME})\}}\}}|\{{({_NAME})\}}")
_NO_HEADER_TEXT = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
# What a path or query may hold as the user wrote it; braces and blanks are not among it.
_SAFE_IN_TARGET = "/%:=&?~+!$,;'@()*[]|^\"<>`\\"


class Slot(NamedTuple):
    """Where a value goes: a variable's name, or `feeder.column`."""

    name: str


Part = str | Slot


def parse(text: str) -> tuple[Part, ...]:
    """The constants and slots of a template, in order."""
    parts: list[Part] = []
    literal = ""
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        if match[1] is not None:
            literal += f"{{{match[1]}}}"
            continue
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(Slot(match[2]))
    literal += text[end:]
    if literal or not parts:
        parts.append(literal)
    return tuple(parts)


def slots(parts: Iterable[Part]) -> list[str]:
    """The names of the slots, in order."""
    return [part.name for part in parts if isinstance(part, Slot)]


def expand(parts: Iterable[Part], definitions: Mapping[str, tuple[Part, ...]]) -> tuple[Part, ...]:
    """The template with defined names replaced by their definitions, and those by theirs.

    Raises:
        InvalidValue: a definition leads back to itself; says along which way.
    """
    return tuple(_expanded(parts, definitions, ()))


def _expanded(
    parts: Iterable[Part], definitions: Mapping[str, tuple[Part, ...]], above: tuple[str, ...]
) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, str) or part.name not in definitions:
            yield part
        elif part.name in above:
            circle = " → ".join([*above[above.index(part.name) :], part.name])
            raise InvalidValue("Expected no circular reference", got=circle)
        else:
            yield from _expanded(definitions[part.name], definitions, (*above, part.name))


# How a value is written where it stands.


def percent_encoded(value: str) -> bytes:
    """In a path or query: everything but letters, digits and `_.-~` percent-encoded, a slash too."""
    return value.encode() if value.isalnum() and value.isascii() else quote(value, safe="").encode()


def plain(value: str) -> bytes:
    """In a body: the value itself, as UTF-8."""
    return value.encode()


def json_text(value: str) -> bytes:
    """Inside a JSON text: quotes, backslashes and control characters escaped, no quotes round it."""
    return json.dumps(value)[1:-1].encode()


def header_text(value: str) -> bytes:
    """In a header: the value itself.

    Raises:
        InvalidValue: it has a line break, or characters that no header can hold.
    """
    if _NO_HEADER_TEXT.search(value):
        raise InvalidValue("Expected a header value without line breaks, control characters or other than latin-1")
    return value.encode("latin-1")


def target_bytes(text: str) -> bytes:
    """The constant part of a path or query: what cannot stand in one is percent-encoded."""
    return quote(text, safe=_SAFE_IN_TARGET).encode()


def path_template(text: str, parts: tuple[Part, ...], where: str | None = None) -> BytesTemplate:
    """The template of a path and query; one that is a single placeholder takes a path that a response gave.

    Args:
        text: as the user wrote it.
        parts: the same, with variables put in.

    Raises:
        InvalidValue: it does not begin with a slash, or has a brace that belongs to no placeholder.
    """
    if len(parts) == 1 and isinstance(parts[0], Slot):
        return BytesTemplate(parts, target_bytes, given_target)
    if not (isinstance(parts[0], str) and parts[0].startswith("/")):
        raise InvalidValue("Expected a path such as /orders?page=1", got=text, where=where)
    if any(brace in _PLACEHOLDER.sub("", text) for brace in "{}"):
        raise InvalidValue(
            "Expected each brace of a path to belong to a placeholder",
            got=text,
            where=where,
            hint="a name is letters, digits and _, as in {id}; a brace itself is %7B or %7D",
        )
    return BytesTemplate(parts, target_bytes, percent_encoded)


def given_target(value: str) -> bytes:
    """A path and query as a response gave it, with or without scheme and host.

    Raises:
        InvalidValue: it does not begin with a slash.
    """
    scheme, separator, rest = value.partition("://")
    if separator and scheme in ("http", "https"):
        value = "/" + rest.partition("/")[2]
    if not value.startswith("/"):
        raise InvalidValue("Expected a path such as /orders/17", got=value)
    return target_bytes(value)


class BytesTemplate:
    """A compiled template: `render(values)` gives its bytes.

    Args:
        parts: constants and slots.
        constant: how constants are written.
        value: how values are.
    """

    __slots__ = ("_encode", "_format", "_names", "_only", "names")

    def __init__(
        self, parts: Iterable[Part], constant: Callable[[str], bytes], value: Callable[[str], bytes] = plain
    ) -> None:
        parts = tuple(parts)
        self._encode = value
        self._names = slots(parts)
        self._only = self._names[0] if len(self._names) == 1 else None
        self.names = frozenset(self._names)
        text = b"".join(b"%b" if isinstance(part, Slot) else constant(part).replace(b"%", b"%%") for part in parts)
        self._format = text if self._names else text.replace(b"%%", b"%")

    def within(self, before: bytes, after: bytes) -> BytesTemplate:
        """The template with constant bytes round it."""
        whole = BytesTemplate((), plain, self._encode)
        whole._names, whole._only, whole.names = self._names, self._only, self.names
        if self._names:
            before, after = before.replace(b"%", b"%%"), after.replace(b"%", b"%%")
        whole._format = before + self._format + after
        return whole

    def render(self, values: Mapping[str, object]) -> bytes:
        """The bytes with each slot filled by its value as text.

        Raises:
            KeyError: a slot has no value.
            InvalidValue: a value cannot stand where it is to go.
        """
        if self._only is not None:
            value = values[self._only]
            text = str(value)
            return self._format % (text.encode() if type(value) is int else self._encode(text))
        if not self._names:
            return self._format
        encode = self._encode
        return self._format % tuple([encode(str(values[name])) for name in self._names])
