"""Placeholders of a statement, whatever its driver's style: `$1`, `?`, `%s`, `:name`, `%(name)s`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...exceptions import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Numbered", "bind", "number_placeholders"]

_TOKEN = re.compile(
    r"""
    (?P<kept> --[^\n]* | /\*.*?(?:\*/|\Z) | "(?:[^"]|"")*" | `(?:[^`]|``)*` | [eE]'(?:[^'\\]|''|\\.)*(?:'|\Z)
      | '(?:[^']|'')*(?:'|\Z) | \$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$ )
  | (?P<numbered> \$(?P<dollar>\d+) | (?<![\w?])\?(?P<question>\d+) )
  | (?P<percent> %s | %\((?P<key>\w+)\)s )
  | (?P<escaped> %% )
  | (?P<named> (?<![:\w\]])[:@](?P<name>[A-Za-z_]\w*) )
  | (?P<mark> \? )
  | (?P<space> \s+ )
  | (?P<word> [\w$]+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Before a jsonb operator `?` stands an operand; before a placeholder an operator, a bracket, a comma or one of these.
_BEFORE = re.compile(
    "and|or|not|in|any|all|between|like|ilike|to|limit|offset|fetch|first|next|set|values|select|where|having|on|when|"
    "then|else|case|by|returning|is|from|escape|interval|distinct",
    re.IGNORECASE,
)
_OPENS = frozenset("=<>!(,+-*/%|&~^[")


class Numbered(NamedTuple):
    """A statement with numbered placeholders, and what they were called: a name, or None."""

    sql: str
    names: list[str | None]


def number_placeholders(sql: str, dialect: Literal["postgresql", "sqlite"]) -> Numbered:
    """The statement with `$1`, `$2` … (SQLite: `?1`, `?2` …) for its placeholders; one name is one placeholder.

    Strings, quoted names and comments stay as they are, and so do casts (`::`) and jsonb's operators with a `?`.
    """
    sign = "$" if dialect == "postgresql" else "?"
    names: list[str | None] = []
    pieces: list[str] = []
    before = ""
    percents = re.search(r"%s|%\(\w+\)s", sql) is not None
    highest = 0
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup, match[0]
        if kind == "numbered" or match["dollar"] or match["question"]:
            number = int(match["dollar"] or match["question"])
            highest = max(highest, number)
            pieces.append(f"{sign}{number}")
        elif name := match["key"] or match["name"]:
            if name not in names:
                names.append(name)
            pieces.append(f"{sign}{names.index(name) + 1}")
        elif match["percent"] or (match["mark"] and _is_placeholder(before)):
            names.append(None)
            pieces.append(f"{sign}{len(names)}")
        else:
            pieces.append("%" if match["escaped"] and percents else text)
        if not match["space"]:
            before = text
    return Numbered("".join(pieces), [*names, *[None] * (highest - len(names))])


def _is_placeholder(before: str) -> bool:
    return before == "" or before[-1] in _OPENS or _BEFORE.fullmatch(before) is not None


def bind(names: Sequence[str | None], given: Sequence[str], *, where: str | None = None) -> list[str | None]:
    """The value of each placeholder: in their order, or `name=value` for named ones. The word NULL is no value.

    Raises:
        InvalidValue: too few, too many, or no such name.
    """
    named = [name for name in names if name is not None]
    values: dict[int, str] = {}
    free = [place for place, name in enumerate(names) if name is None]
    for text in given:
        name, equals, value = text.partition("=")
        if equals and name in named:
            values[list(names).index(name)] = value
        elif named and not free:
            raise InvalidValue(f"Expected a value as name=value for one of {', '.join(named)}", where=where)
        elif free:
            values[free.pop(0)] = text
        else:
            raise InvalidValue(
                f"Expected a value for each of {len(names)} placeholders, not more",
                got=len(given),
                where=where,
            )
    if len(values) != len(names):
        lacking = [name or f"number {place + 1}" for place, name in enumerate(names) if place not in values]
        raise InvalidValue(
            f"Expected a value for each of {len(names)} placeholders; without one: {', '.join(lacking[:5])}",
            got=len(given),
            where=where,
        )
    return [None if values[place] == "NULL" else values[place] for place in range(len(names))]
