"""Statements and conditions without their values."""

from __future__ import annotations

import re

__all__ = ["without_values"]

_TOKEN = re.compile(
    r"""
    (?P<kept> --[^\n]* | /\*.*?(?:\*/|\Z) | "(?:[^"]|"")*" | `(?:[^`]|``)*` | [$?]\d+ | [^\W\d][\w$]*(?!['\w$]) )
  | (?P<dollar> \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<escaped> [eE]'(?:[^'\\]|''|\\.)*(?:'|\Z) )
  | (?P<text> (?:[xXbBnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z) )
  | (?P<number> (?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?\w* )
    """,
    re.VERBOSE | re.DOTALL,
)


def without_values(sql: str) -> str:
    """The SQL with `?` for each literal, everything else as it stands. Comments, where values hide, go."""
    return _TOKEN.sub(_replaced, sql)


def _replaced(match: re.Match[str]) -> str:
    if match.lastgroup == "kept":
        return " " if match[0].startswith(("--", "/*")) else match[0]
    return "?"
