"""Command lines as a shell would split them, without one: quotes, ANSI-C quotes, continued lines. Pure, linear time.

What a shell would have to run or look up (`$VARIABLE`, `$(…)`, pipes, redirections) is refused by name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ...exceptions import InvalidValue

__all__ = ["ShellCommand", "split_commands"]

_TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\r]+ | \\\r?\n)
  | (?P<end>\n | ;+ | &&? )
  | (?P<comment>(?<!\S)\#[^\n]*)
  | (?P<ansi>\$'(?:[^'\\]|\\.)*')
  | (?P<single>'[^']*')
  | (?P<double>\$?"(?:[^"\\]|\\.)*")
  | (?P<escaped>\\.)
  | (?P<plain>[^\s'"\\$`|<>;&()]+ | \$(?![\w({'"?!@*\#$-]))
    """,
    re.VERBOSE | re.DOTALL,
)
_DOUBLE_ESCAPE = re.compile(r'\\([$`"\\\n])')
_DOUBLE_EXPANSION = re.compile(r"(?<!\\)(?:\\\\)*(?:\$[A-Za-z_({]|`)")
_ANSI_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|([0-7]{1,3})|c(.)|(.))", re.DOTALL
)
_ANSI = {
    "a": "\a",
    "b": "\b",
    "e": "\x1b",
    "E": "\x1b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


class ShellCommand(NamedTuple):
    """The words of one command, and the line each begins at, from 1."""

    words: list[str]
    lines: list[int]


def split_commands(text: str, source: str) -> list[ShellCommand]:
    """The commands of a text, one a line, or parted by `;`, `&` or `&&`; comments are left out.

    Words hold bytes that are no text (`$'\\xff'`) as surrogates, as `os.fsencode` takes them.

    Raises:
        InvalidValue: a quote that never ends, or what only a shell can do.
    """
    commands: list[ShellCommand] = []
    words: list[str] = []
    lines: list[int] = []
    word: str | None = None
    word_line = line = 1
    position = 0

    def end_word() -> None:
        nonlocal word
        if word is not None:
            words.append(word)
            lines.append(word_line)
            word = None

    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _refused(text, position, f"{source}:{line}")
        kind, token = match.lastgroup, match[0]
        position = match.end()
        if kind in ("blank", "comment"):
            end_word()
        elif kind == "end":
            end_word()
            if words:
                commands.append(ShellCommand(words, lines))
                words, lines = [], []
        else:
            if word is None:
                word, word_line = "", line
            word += _unquoted(str(kind), token, f"{source}:{line}")
        line += token.count("\n")
    end_word()
    if words:
        commands.append(ShellCommand(words, lines))
    return commands


def _unquoted(kind: str, token: str, where: str) -> str:
    if kind == "plain":
        return token
    if kind == "single":
        return token[1:-1]
    if kind == "escaped":
        return token[1:]
    if kind == "ansi":
        return _ansi(token[2:-1])
    inside = token[token.index('"') + 1 : -1]
    expansion = _DOUBLE_EXPANSION.search(inside)
    if expansion:
        raise InvalidValue(
            "Expected text: no shell is used, so nothing is filled in for it",
            got=inside[expansion.start() :][:40],
            where=where,
            hint="write the value itself, or put it in single quotes if the dollar sign is meant",
        )
    return _DOUBLE_ESCAPE.sub(lambda match: "" if match[1] == "\n" else match[1], inside)


def _ansi(inside: str) -> str:
    # Bytes first: $'\xc3\xa9' is one character.
    parts: list[bytes] = []
    position = 0
    for match in _ANSI_ESCAPE.finditer(inside):
        parts.append(inside[position : match.start()].encode("utf-8", "surrogateescape"))
        parts.append(_ansi_escape(match))
        position = match.end()
    parts.append(inside[position:].encode("utf-8", "surrogateescape"))
    return b"".join(parts).decode("utf-8", "surrogateescape")


def _ansi_escape(match: re.Match[str]) -> bytes:
    byte, short, long, octal, control, letter = match.groups()
    if byte is not None:
        return bytes([int(byte, 16)])
    if octal is not None:
        return bytes([int(octal, 8) & 255])
    if short is not None or long is not None:
        number = int(short or long, 16)
        return (chr(number) if number < 0x110000 else "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")
    if control is not None:
        return bytes([ord(control[0]) & 31])
    return (_ANSI.get(letter) or (letter if letter in "\\'\"?" else f"\\{letter}")).encode("utf-8", "surrogateescape")


def _refused(text: str, position: int, where: str) -> InvalidValue:
    character = text[position]
    rest = text[position : position + 40].partition("\n")[0]
    if character in "'\"" or text[position : position + 2] == "$'":
        return InvalidValue("Expected the quotation to end", got=rest, where=where)
    if character == "\\":
        return InvalidValue("Expected something after the backslash", where=where)
    if character in "$`":
        return InvalidValue(
            "Expected text: no shell is used, so nothing is filled in for it",
            got=rest,
            where=where,
            hint="write the value itself, in single quotes",
        )
    return InvalidValue(
        "Expected a curl command alone: no shell is used, so nothing is piped or redirected",
        got=rest,
        where=where,
        hint="take what follows out of the file; a URL with & or ( goes in single quotes",
    )
