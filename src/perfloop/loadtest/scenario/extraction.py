"""Values found in a response: JSON pointer, regular expression, header. Pure.

A regular expression is searched in the first `SEARCHED_BYTES` of a body only: one that backtracks must not take a
second of the generator for a body of a megabyte.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Protocol

from ...exceptions import ConfigurationError, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .document import Extraction

__all__ = ["SEARCHED_BYTES", "Answered", "compile_extraction", "compile_regex", "point", "pointer_tokens", "text_of"]

SEARCHED_BYTES = 256 * 1024
_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]*")


class Answered(Protocol):
    """What is looked at in a response."""

    @property
    def status(self) -> int: ...
    @property
    def latency(self) -> float: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...
    def json(self) -> Any: ...


def compile_extraction(extraction: Extraction, where: str) -> Callable[[Answered], str | None]:
    """A function that finds the value in a response; None when it finds nothing.

    Raises:
        ConfigurationError: not exactly one of `json`, `regex` and `header`, or one that does not parse.
    """
    if sum(given is not None for given in (extraction.json, extraction.regex, extraction.header)) != 1:
        raise ConfigurationError("Expected one of `json`, `regex` and `header`", where=where)
    if extraction.json is not None:
        tokens = pointer_tokens(extraction.json, where)
        return lambda response: _pointed(response, tokens)
    if extraction.regex is not None:
        regex = compile_regex(extraction.regex, where)
        return lambda response: _searched(response, regex)
    header = str(extraction.header)
    return lambda response: response.headers.get(header)


def compile_regex(text: str, where: str) -> re.Pattern[bytes]:
    """A regular expression for bodies.

    Raises:
        InvalidValue: it does not parse.
    """
    try:
        return re.compile(text.encode())
    except re.error as error:
        raise InvalidValue(f"Expected a regular expression: {error}", got=text, where=where) from error


def pointer_tokens(text: str, where: str) -> tuple[str, ...]:
    """The reference tokens of a JSON pointer (RFC 6901).

    Raises:
        InvalidValue: not empty, and without a slash at its beginning.
    """
    if text and not text.startswith("/"):
        raise InvalidValue("Expected a JSON pointer such as /items/0/id", got=text, where=where)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])


def point(value: Any, tokens: tuple[str, ...]) -> Any:
    """The value a pointer leads to.

    Raises:
        LookupError: it leads nowhere.
    """
    for token in tokens:
        if isinstance(value, dict):
            value = value[token]
        elif isinstance(value, list) and _ARRAY_INDEX.fullmatch(token):
            value = value[int(token)]
        else:
            raise LookupError(token)
    return value


def text_of(value: Any) -> str:
    """A JSON value as it stands in a template: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _pointed(response: Answered, tokens: tuple[str, ...]) -> str | None:
    try:
        value = point(response.json(), tokens)
    except (LookupError, ValueError):
        return None
    return None if value is None else text_of(value)


def _searched(response: Answered, regex: re.Pattern[bytes]) -> str | None:
    match = regex.search(response.body, 0, SEARCHED_BYTES)
    if match is None:
        return None
    found = match[1] if regex.groups else match[0]
    return None if found is None else found.decode("utf-8", "replace")
