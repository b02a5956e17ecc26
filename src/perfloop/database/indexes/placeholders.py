"""The places of a statement where its values go, in every style that drivers and servers write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Template", "parse_placeholders"]

_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?(?:\*/|\Z) )
  | (?P<text> [eExXbBnN]?'(?:[^']|'')*(?:'|\Z) | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?:(?P=tag)|\Z) )
  | (?P<quoted> "(?:[^"]|"")*" | `(?:[^`]|``)*` )
  | (?P<cast> :: )
  | (?P<operator> \?[|&] )
  | (?P<parameter> \?\d* | %s | %\((?P<format>\w+)\)s | \$(?P<number>\d+) | (?<![:\w<@])[:@](?P<word_parameter>[A-Za-z_]\w*) )
  | (?P<space> \s+ )
  | (?P<word> \w+ )
  | (?P<other> . )
    """,  # noqa: E501  # one alternative a line
    re.VERBOSE | re.DOTALL,
)
# After one of these, `?` is a value; after any other word, or a value, it is PostgreSQL's operator.
_BEFORE_VALUE = frozenset(
    """
    all and any as between by case distinct else end fetch from having ilike in interval is like limit not offset on
    or over returning select set similar then to using values when where
    """.split()  # noqa: SIM905  # words are easier read so
)


@dataclass(frozen=True)
class Template:
    """A statement taken apart at its placeholders."""

    pieces: tuple[str, ...]
    """The text before the first placeholder, between each two, and after the last."""
    keys: tuple[int, ...]
    """Which value goes to each place, from 0: `$2` twice means the same value twice."""

    @property
    def parameter_count(self) -> int:
        """Values that it takes."""
        return max(self.keys, default=-1) + 1

    def named(self) -> str:
        """With `:p0`, `:p1` … in the places, as the parser of SQL takes them in every dialect."""
        return self._joined([f":p{key}" for key in self.keys])

    def filled(self, literals: Sequence[str]) -> str:
        """With SQL literals in the places: `literals[key]`."""
        return self._joined([literals[key] for key in self.keys])

    def _joined(self, values: list[str]) -> str:
        parts = [self.pieces[0]]
        for value, piece in zip(values, self.pieces[1:], strict=True):
            # A word must not grow into its neighbour, nor a minus sign into a comment.
            parts += [" " if parts[-1][-1:].isalnum() or parts[-1][-1:] == "-" else "", value]
            parts += [" " if piece[:1].isalnum() else "", piece]
        return "".join(parts)


def parse_placeholders(sql: str, *, operators: bool = True) -> Template:
    """Take a statement apart.

    `?`, `%s`, `%(name)s`, `$1`, `:name` and `@name` are placeholders, outside strings, comments and quoted names.

    Args:
        operators: whether `?` can be an operator, as on PostgreSQL's jsonb: then it is one after a name or a value.
    """
    pieces: list[str] = []
    keys: list[int] = []
    names: dict[str, int] = {}
    start, before = 0, ""
    numbered = -1
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup
        text = match.group()
        if kind in ("space", "comment"):
            continue
        if kind == "parameter" and not (operators and text == "?" and _ends_value(before)):
            if match["number"] or (text[0] == "?" and len(text) > 1):
                key = int(match["number"] or text[1:]) - 1
                numbered = max(numbered, key)
            elif name := match["format"] or match["word_parameter"]:
                key = names.setdefault(name, len(names))
            else:
                key = len(keys)
            if key >= 0:
                pieces.append(sql[start : match.start()])
                keys.append(key)
                start = match.end()
        before = text
    pieces.append(sql[start:])
    text = "".join(pieces)
    if "%%" in text and any(piece for piece in ("%s", "%(") if piece in sql):
        pieces = [piece.replace("%%", "%") for piece in pieces]
    return Template(tuple(pieces), tuple(keys))


def _ends_value(before: str) -> bool:
    """Whether the token before a `?` ends a value, so that the `?` is an operator."""
    if not before:
        return False
    if before[-1] in ")]'\"":
        return True
    return (before[0].isalnum() or before[0] == "_") and before.lower() not in _BEFORE_VALUE
