"""A command line without its secrets, as records and reports of defects keep it. Pure.

Header values, request bodies, users and passwords in URLs, and the values of query parameters, options and
environment assignments whose name says secret are replaced by `***`.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..redaction import HIDDEN, is_secret_name, redact_text, redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["readable", "redact_command", "redact_line", "redact_request", "redact_text", "redact_words"]

_ASSIGNMENT = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*)=(.*)", re.DOTALL)

_SURROGATE = re.compile("[\ud800-\udfff]")

_HEADER = ("-H", "--header")
_BODY = ("-d", "--data", "--parameter")
_REQUEST = ("--request",)
_COMMAND = ("--cmd",)
_PLACE = ("--ready",)


def redact_command(words: Sequence[str]) -> list[str]:
    """The words of a perfloop command line with every secret replaced by `***`, and what is no UTF-8 by U+FFFD."""
    words = [readable(word) for word in words]
    redacted: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            return [*redacted, word, *redact_words(words[index:])]
        option, attached = _split(word)
        if option is None:
            redacted += redact_words([word])
        elif attached is not None:
            separator = "=" if word.startswith("--") else ""
            redacted.append(f"{option}{separator}{_value(option, attached)}")
        else:
            redacted.append(option)
            if index < len(words):
                redacted.append(_value(option, words[index]))
                index += 1
    return redacted


def redact_words(words: Sequence[str]) -> list[str]:
    """The words of any command with URLs redacted, and the values of options and variables that name a secret."""
    words = [readable(word) for word in words]
    redacted: list[str] = []
    hide_next = False
    for word in words:
        if hide_next and not word.startswith("-"):
            redacted.append(HIDDEN)
            hide_next = False
            continue
        hide_next = False
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment and is_secret_name(assignment[1]):
            redacted.append(f"{assignment[1]}={HIDDEN}")
        else:
            hide_next = word.startswith("--") and is_secret_name(word)
            redacted.append(redact_text(word))
    return redacted


def readable(word: str) -> str:
    """The word as text that a record can hold: of bytes that are no UTF-8 Python makes lone surrogates."""
    return _SURROGATE.sub("\ufffd", word)


def redact_line(line: str) -> str:
    """A command in one line, as a shell would read it, without its secrets; `***` when it cannot be read."""
    try:
        return shlex.join(redact_words(shlex.split(line)))
    except ValueError:
        return HIDDEN


def _split(word: str) -> tuple[str | None, str | None]:
    """The option of ours that a word is, and the value attached to it; (None, None) for any other word."""
    for option in (*_HEADER, *_BODY, *_REQUEST, *_COMMAND, *_PLACE):
        if word == option:
            return option, None
        if option.startswith("--"):
            if word.startswith(option + "="):
                return option, word[len(option) + 1 :]
        elif word.startswith(option) and not word.startswith("--"):
            return option, word[len(option) :]
    return None, None


def _value(option: str, value: str) -> str:
    if option in _HEADER:
        name, colon, _ = value.partition(":")
        return f"{name}: {HIDDEN}" if colon else HIDDEN
    if option in _BODY:
        return value if value.startswith("@") else HIDDEN
    if option in _REQUEST:
        return redact_request(value)
    if option in _PLACE:
        return redact_url(value)
    return redact_line(value)


def redact_request(text: str) -> str:
    """`2x POST /cart?token=t {"card": 1}` without the token and the body."""
    match = re.match(r"\s*(?:[\d.]+x\s+)?(?:[A-Za-z]+\s+)?(?=\S)", text)
    start = match.end() if match else 0
    target, _, body = text[start:].partition(" ")
    shown = text[:start] + redact_url(target)
    if body.strip():
        shown += " " + (body if body.lstrip().startswith("@") else HIDDEN)
    return shown
