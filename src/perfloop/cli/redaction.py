"""A command line without its secrets, as records and reports of defects keep it. Pure.

Header values, request bodies, users and passwords in URLs, and the values of query parameters, options and
environment assignments whose name says secret are replaced by `***`.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ..records import redact_url

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["redact_command", "redact_line", "redact_text", "redact_words"]

_SECRET = re.compile(r"(?i)pass|secret|token|api[-_]?key|auth|signature|session|credential")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")
_ASSIGNMENT = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*)=(.*)", re.DOTALL)

_HEADER = ("-H", "--header")
_BODY = ("-d", "--data")
_REQUEST = ("--request",)
_COMMAND = ("--cmd",)
_HIDDEN = "***"


def redact_command(words: Sequence[str]) -> list[str]:
    """The words of a perfloop command line with every secret replaced by `***`."""
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
    redacted: list[str] = []
    hide_next = False
    for word in words:
        if hide_next and not word.startswith("-"):
            redacted.append(_HIDDEN)
            hide_next = False
            continue
        hide_next = False
        assignment = _ASSIGNMENT.fullmatch(word)
        if assignment and _SECRET.search(assignment[1]):
            redacted.append(f"{assignment[1]}={_HIDDEN}")
        else:
            hide_next = word.startswith("--") and _SECRET.search(word) is not None
            redacted.append(redact_text(word))
    return redacted


def redact_line(line: str) -> str:
    """A command in one line, as a shell would read it, without its secrets; `***` when it cannot be read."""
    try:
        return shlex.join(redact_words(shlex.split(line)))
    except ValueError:
        return _HIDDEN


def redact_text(text: str) -> str:
    """Any text with the secrets of the URLs in it replaced."""
    return _URL.sub(_redact_match, text)


def _redact_match(match: re.Match[str]) -> str:
    try:
        return redact_url(match[0])
    except ValueError:  # no valid URL; its user and password are no less secret
        return re.sub(r"//[^/\s]*@", "//***@", match[0])


def _split(word: str) -> tuple[str | None, str | None]:
    """The option of ours that a word is, and the value attached to it; (None, None) for any other word."""
    for option in (*_HEADER, *_BODY, *_REQUEST, *_COMMAND):
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
        return f"{name}: {_HIDDEN}" if colon else _HIDDEN
    if option in _BODY:
        return value if value.startswith("@") else _HIDDEN
    if option in _REQUEST:
        return _request(value)
    return redact_line(value)


def _request(text: str) -> str:
    """`2x POST /cart?token=t {"card": 1}` without the token and the body."""
    match = re.match(r"\s*(?:[\d.]+x\s+)?(?:[A-Za-z]+\s+)?(?=\S)", text)
    start = match.end() if match else 0
    target, _, body = text[start:].partition(" ")
    shown = text[:start] + redact_url(target)
    if body.strip():
        shown += " " + (body if body.lstrip().startswith("@") else _HIDDEN)
    return shown
