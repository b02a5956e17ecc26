"""Values of options as people write them, parsed into what the engine takes. Pure but for `parse_body`, which reads."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Literal, NamedTuple

from .. import units
from ..exceptions import InvalidValue
from ..files import read_within
from .redaction import redact_line, redact_request

__all__ = [
    "CommandLine",
    "Header",
    "RequestLine",
    "parse_body",
    "parse_command",
    "parse_count",
    "parse_header",
    "parse_method",
    "parse_positive_duration",
    "parse_rate",
    "parse_request",
    "parse_statuses",
    "parse_warm_up",
    "with_scheme",
]

Header = tuple[str, str]

_LARGEST_BODY = 100_000_000
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST = re.compile(r"(?:(\S*?)x\s+)?(?:([A-Za-z]+)\s+)?(/\S*)(?:\s+(.*))?", re.DOTALL)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class RequestLine(NamedTuple):
    """One `--request`."""

    weight: float
    method: str
    target: str
    body: bytes


class CommandLine(NamedTuple):
    """A command to start, without a shell: its environment additions and its words."""

    environment: dict[str, str]
    words: tuple[str, ...]


def with_scheme(text: str) -> str:
    """The URL as it is, or `http://` before it where there is no scheme: `localhost:8000/path`."""
    if text.startswith("/"):
        raise InvalidValue("Expected a URL with a host", got=text, hint=f"for example http://127.0.0.1:8000{text}")
    return text if "://" in text else f"http://{text}"


def parse_rate(text: str, *, where: str) -> float:
    """Requests a second in `500`, `500/s` or `3000/min`.

    Raises:
        InvalidValue: not a rate above zero.
    """
    try:
        rate = units.parse_rate(text)
    except InvalidValue:
        rate = 0.0
    if not rate:
        number = re.match(r"\s*([0-9.]*[1-9][0-9.]*)\s*[^\W\d]", text)
        raise InvalidValue(
            "Expected a rate above zero, such as 500 (a second) or 3000/min",
            got=text,
            where=where,
            hint=f"requests a second need no unit: {number[1]}; others: {number[1]}/min, {number[1]}/h"
            if number
            else None,
        )
    return rate


def parse_count(text: str, *, where: str, least: int = 1) -> int:
    """A whole number of at least `least`; `10k` and `2M` are understood.

    Raises:
        InvalidValue: anything else.
    """
    match = re.fullmatch(r"([0-9]{1,18})([kM]?)", text.strip().replace("_", ""))
    number = int(match[1]) * {"": 1, "k": 1000, "M": 10**6}[match[2]] if match else -1
    if number < least:
        raise InvalidValue(f"Expected a whole number of {least} or more", got=text, where=where)
    return number


def parse_positive_duration(text: str, *, where: str) -> float:
    """Seconds, more than zero, in `500ms`, `30s`, `2m`.

    Raises:
        InvalidValue: anything else.
    """
    seconds = units.parse_duration(text, where=where)
    if seconds <= 0:
        raise InvalidValue("Expected a duration above zero", got=text, where=where)
    return seconds


def parse_header(text: str, *, where: str) -> Header:
    """Name and value of `Name: value`. Messages never show the value: it may be a secret.

    Raises:
        InvalidValue: no colon, or characters HTTP does not allow.
    """
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _TOKEN.fullmatch(name):
        raise InvalidValue(
            "Expected a header as `Name: value` (what was given is not shown, it may be a secret)",
            where=where,
            hint='for example -H "Accept: application/json"',
        )
    if any(ord(character) < 32 and character != "\t" for character in value) or not _is_latin1(value):
        raise InvalidValue(
            f"Expected a value of {name} without line breaks, control characters or characters outside latin-1",
            where=where,
        )
    return name, value


def parse_warm_up(text: str, *, where: str) -> Literal["auto", "none"] | float:
    """Seconds, or how the warm-up is found.

    Raises:
        InvalidValue: neither auto nor none nor a time above zero.
    """
    match text.strip().lower():
        case "auto" | "none" as word:
            return word
    try:
        return parse_positive_duration(text, where=where)
    except InvalidValue as error:
        raise InvalidValue("Expected auto, none or a time above zero such as 2s", got=text, where=where) from error


def parse_method(text: str, *, where: str) -> str:
    """A request method, in capitals.

    Raises:
        InvalidValue: characters a method cannot have.
    """
    method = text.strip().upper()
    if not _TOKEN.fullmatch(method):
        raise InvalidValue(f"Expected a method such as {', '.join(_METHODS[:4])}", got=text, where=where)
    return method


def parse_statuses(text: str, *, where: str) -> frozenset[int]:
    """The statuses in `200`, `200,404`, `2xx,304` or `200-299`.

    Raises:
        InvalidValue: anything else, or statuses outside 200 to 599.
    """
    statuses: set[int] = set()
    for part in (piece.strip().lower() for piece in text.split(",")):
        if re.fullmatch(r"[2-5]xx", part):
            statuses.update(range(int(part[0]) * 100, int(part[0]) * 100 + 100))
        elif match := re.fullmatch(r"([2-5]\d\d)(?:-([2-5]\d\d))?", part):
            statuses.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            raise InvalidValue("Expected statuses such as 200, 200,404 or 2xx", got=text, where=where)
    return frozenset(statuses)


def parse_body(text: str, *, where: str) -> bytes:
    """The bytes of `-d`: the text itself, `@file` for a file's, `@-` for those of stdin.

    Raises:
        InvalidValue: the file cannot be read, or is larger than 100 MB.
    """
    if not text.startswith("@"):
        return os.fsencode(text)  # the bytes that were given, whatever they are
    try:
        return read_within(sys.stdin.buffer if text == "@-" else text[1:], _LARGEST_BODY)
    except OSError as error:
        raise InvalidValue(
            f"Expected a readable file after @: {error.strerror}",
            got=text[1:],
            where=where,
            hint="`-d text` sends the text itself, `-d @-` reads stdin",
        ) from error


def parse_request(text: str, *, where: str) -> RequestLine:
    """One request of a mix: `GET /orders?page=1`, `/orders`, `2x GET /orders`, `POST /cart {"item": 3}`, `… @file`.

    Raises:
        InvalidValue: anything else.
    """
    hint = 'for example "GET /orders?page=1", "2x GET /orders" or "POST /cart @cart.json"'
    match = _REQUEST.fullmatch(text.strip())
    shown = redact_request(text)
    if match is None:
        raise InvalidValue(
            "Expected a request: an optional weight, a method, and a path that starts with /",
            got=shown,
            where=where,
            hint=hint,
        )
    weight = 1.0
    if match[1] is not None:
        if not re.fullmatch(r"\d+(\.\d+)?", match[1]) or float(match[1]) <= 0:
            raise InvalidValue("Expected a weight above zero, such as 2x", got=shown, where=where, hint=hint)
        weight = float(match[1])
    method = (match[2] or "GET").upper()
    if match[2] is not None and method not in _METHODS:
        raise InvalidValue(f"Expected a method, one of {', '.join(_METHODS)}", got=shown, where=where, hint=hint)
    body = parse_body(match[4].strip(), where=where) if match[4] and match[4].strip() else b""
    return RequestLine(weight, method, match[3], body)


def parse_command(text: str, *, where: str) -> CommandLine:
    """The words of a command, split as a shell would, run without one; leading `NAME=value` words set its environment.

    Raises:
        InvalidValue: no command, or a quotation that never ends.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidValue(f"Expected a command: {error}", got=redact_line(text), where=where) from error
    environment: dict[str, str] = {}
    while words and "=" in words[0] and _VARIABLE.fullmatch(words[0].partition("=")[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        raise InvalidValue(
            "Expected a command",
            got=redact_line(text),
            where=where,
            hint='for example --cmd "uvicorn shop:app"; no shell is used',
        )
    return CommandLine(environment, tuple(words))


def _is_latin1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
