"""What a statement asks by: which of its values stand for the row wanted, told without keeping any of them.

A loop that loads a row for each of many asks by another value each time; polling, retries and pages ask by the same.
So the values compared with `=`, LIKE and IN become a small number, which no value can be read from.
"""

from __future__ import annotations

from .fingerprint import TOKEN

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["KEY_BITS", "MOST_VALUES", "Keys"]

KEY_BITS = 30
"""How large the number is: two of some hundred keys are taken for one hardly ever."""
MOST_VALUES = 8_191
"""Longer lists count as this long."""
_MASK = (1 << KEY_BITS) - 1
_MAX_SQL = 20_000
_MOST_PLACES = 64
"""Further values of a list are not looked at: the first ones tell lists apart."""
_BOUNDARIES = frozenset(
    ("AND", "OR", "WHERE", "ON", "HAVING", "SET", "VALUES", "ORDER", "GROUP", "THEN", "ELSE", "WHEN", "SELECT", "FROM")
)
_RANGE = frozenset("<>!")


class Keys:
    """The places of those values in one SQL text."""

    __slots__ = ("_constant", "_only", "_places", "listed")

    def __init__(self, sql: str) -> None:
        equal, other, literals, self.listed = _scan(sql)
        self._places: Sequence[int | str] = (equal or other)[:_MOST_PLACES]
        """Of the parameters that count: positions, or names."""
        self._only = self._places[0] if len(self._places) == 1 else None
        # Without parameters the values are in the text.
        self._constant = 0 if self._places else _number(hash(tuple(literals) or sql))
        self.listed = min(self.listed, MOST_VALUES)
        """Values in its longest IN list; 1 for `= ?`, 0 where nothing is compared, -1 for a list in one parameter."""

    def of(self, parameters: Any) -> int:
        """A number for the values asked by, the same for the same ones in this process; 0 when it cannot be told."""
        if self._constant:
            return self._constant
        try:
            if self._only is not None:
                return _number(hash(parameters[self._only]))
            return _number(hash(tuple([parameters[place] for place in self._places])))
        except (LookupError, TypeError):
            return _of_lists(parameters, self._places)

    def values(self, parameters: Any) -> int:
        """How many values the longest list has, as `listed`, with the list looked up where it is one parameter."""
        if self.listed >= 0:
            return self.listed
        try:
            lists = [parameters[place] for place in self._places]
            return min(max((len(each) for each in lists if isinstance(each, (list, tuple))), default=1), MOST_VALUES)
        except (LookupError, TypeError):
            return 0


def _number(value: int) -> int:
    return (value & _MASK) or 1


def _of_lists(parameters: Any, places: Sequence[int | str]) -> int:
    """As `Keys.of` where a parameter is a list, which has no hash."""
    try:
        values = [parameters[place] for place in places]
        return _number(hash(tuple([tuple(each) if isinstance(each, list) else each for each in values])))
    except (LookupError, TypeError):
        return 0


def _scan(sql: str) -> tuple[list[int | str], list[int | str], list[str], int]:
    """(parameters compared for equality, all others but a page's, literals likewise, longest list) of a text."""
    equal: list[int | str] = []
    other: list[int | str] = []
    literals: list[str] = []
    counted = 0
    longest = 0
    operator = ""
    previous = ""
    pending: tuple[int | str | None, str] | None = None
    depth, list_depth, size = 0, -1, 0
    for match in TOKEN.finditer(sql[:_MAX_SQL]):
        kind, text = match.lastgroup, match.group()
        if kind in ("comment", "space"):
            continue
        if pending is not None:
            # `? = column`
            place, is_equal = pending[0], text == "="
            longest = max(longest, 1) if is_equal and longest >= 0 else longest
            if place is not None:
                (equal if is_equal else other).append(place)
            elif is_equal:
                literals.append(pending[1])
            pending = None
        word = text.upper() if kind == "word" else text
        if kind == "word":
            if word in _BOUNDARIES:
                operator = ""
                if word == "SELECT" and list_depth == depth:
                    # No list, but a subquery.
                    list_depth = -1
            elif word in ("LIMIT", "OFFSET", "FETCH"):
                operator = "page"
            elif word in ("LIKE", "ILIKE", "IS", "GLOB"):
                operator = "="
            elif word == "BETWEEN":
                operator = "range"
        elif text == "=":
            operator = "range" if previous in _RANGE else "="
        elif text in _RANGE:
            operator = "range"
        elif text == "(":
            depth += 1
            if previous in ("IN", "ANY"):
                operator = "="
                list_depth, size = depth, 0
                if previous == "ANY":
                    longest = -1 if longest in (0, 1) else longest
        elif text == ")":
            if depth == list_depth:
                longest = max(longest, size) if longest >= 0 else longest
                list_depth = -1
                operator = ""
            depth -= 1
        elif kind in ("parameter", "text", "number"):
            size += 1
            place = None
            if kind == "parameter":
                place, counted = _place(text, counted)
            if operator == "=":
                longest = longest if longest < 0 or list_depth >= 0 else max(longest, 1)
                if place is not None:
                    equal.append(place)
                else:
                    literals.append(text)
            elif operator != "page":
                pending = place, text
        previous = word
    if pending is not None and pending[0] is not None:
        other.append(pending[0])
    return equal, other, literals, longest


def _place(text: str, counted: int) -> tuple[int | str, int]:
    """Where the parameters have the value of a placeholder, and how many without a number or name came until now."""
    name = text.partition("::")[0]
    if name.startswith("%("):
        return name[2:-2], counted
    digits = name[1:]
    if digits.isdecimal():
        return int(digits) - 1, counted
    if name in ("?", "%s"):
        return counted, counted + 1
    return digits, counted
