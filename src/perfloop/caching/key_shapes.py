"""What the keys of a cache look like, without a key: which parts they have, and which of these is never the same."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from ..telemetry.caches import KeyPart

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["key_parts"]

_FEW_KEYS = 50
_BETWEEN = re.compile(r"[^\w%.+-]+")


def key_parts(keys: Sequence[str], templates: Sequence[str]) -> list[KeyPart]:
    """The parts of these keys that are not the same in all: two or more, else none.

    Args:
        keys: distinct ones, as texts.
        templates: how the code makes them, `user:{user_id}`; parts have the names in it if there is one alone.
    """
    if len(keys) < _FEW_KEYS:
        return []
    named = _by_template(keys, templates[0]) if len(templates) == 1 else None
    names, rows = named or _by_separators(keys)
    parts = [
        KeyPart(name, len({row[at] for row in rows}), len({row[:at] + row[at + 1 :] for row in rows}))
        for at, name in enumerate(names)
    ]
    varied = [part for part in parts if part.distinct > 1]
    return varied if len(varied) > 1 else []


def _by_template(keys: Sequence[str], template: str) -> tuple[list[str], list[tuple[str, ...]]] | None:
    pieces = [(literal, name) for literal, name, _, _ in string.Formatter().parse(template)]
    pattern = re.compile("".join(re.escape(literal) + ("(.*?)" if name else "") for literal, name in pieces))
    matches = [pattern.fullmatch(key) for key in keys]
    if not all(matches):
        return None
    return [name for _, name in pieces if name], [match.groups() for match in matches if match]


def _by_separators(keys: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    rows = [tuple(each for each in _BETWEEN.split(key) if each) for key in keys]
    if len({len(row) for row in rows}) != 1:
        return [], []
    return [f"part {number}" for number in range(1, len(rows[0]) + 1)], rows
