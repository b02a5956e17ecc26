"""What a statement asks by: which of its values stand for the row wanted, told without keeping any of them.

A loop that loads a row for each of many asks by another value each time; polling, retries and pages ask by the same.
So the values compared with `=`, LIKE and IN become a small number, which no value can be read from.
"""

from __future__ import annotations

from . import PARAMETERS
from .fingerprint import TOKEN

# Not from typing: importing that would cost every helper process of the service.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["KEY_BITS", "KEY_MASK", "MOST_VALUES", "Keys"]

KEY_BITS = 30
"""How large the number is: two of some hundred keys are taken for one hardly ever."""
MOST_VALUES = 8_191
"""Longer lists count as this long."""
KEY_MASK = (1 << KEY_BITS) - 1
SAMPLES = 50 if PARAMETERS else 0
_MAX_SQL = 20_000
_MOST_PLACES = 64
"""Further values of a list are not looked at: the first ones tell lists apart."""
_BOUNDARIES = frozenset(
    ("AND", "OR", "WHERE", "ON", "HAVING", "SET", "VALUES", "ORDER", "GROUP", "THEN", "ELSE", "WHEN", "SELECT", "FROM")
)
_OPERATORS = {
    **dict.fromkeys(("LIKE", "ILIKE", "IS", "GLOB"), "="),
    **dict.fromkeys(("LIMIT", "OFFSET", "FETCH"), "page"),
    "BETWEEN": "range",
}
_RANGE = frozenset("<>!")


class Keys:
    """The places of those values in one SQL text.

    Where some are compared one by one and others by lists, the list is a filter and the single values are the key.
    """

    __slots__ = ("_array", "_constant", "_places", "listed", "only", "samples")

    def __init__(self, sql: str) -> None:
        found = _Scan(sql)
        places: Sequence[int | str] = found.single or found.lists or found.other
        self._places = places[:_MOST_PLACES]
        # Without parameters the values are in the text.
        literals = found.single_literals or found.list_literals
        self._constant = 0 if self._places else _number(hash(tuple(literals) or sql))
        by_lists = bool(found.lists) if places else bool(found.list_literals)
        single = bool(found.single) if places else bool(found.single_literals)
        self._array = by_lists and not single and found.array
        self.listed = 1 if single else min(found.longest, MOST_VALUES) if by_lists else 0
        """Values in the longest list that is its key; 1 for a key of single values, 0 where nothing is compared."""
        self.only = self._places[0] if len(self._places) == 1 and not self._array else None
        """Where its one value is; None where there are several, or none, or a list."""
        self.samples = SAMPLES
        """Executions whose parameters are still to be told; see `parameters`."""

    def of(self, parameters: Any) -> int:
        """A number for the values asked by, the same for the same ones in this process; 0 when it cannot be told."""
        if self._constant:
            return self._constant
        try:
            if self.only is not None:
                return _number(hash(parameters[self.only]))
            return _number(hash(tuple([parameters[place] for place in self._places])))
        except (LookupError, TypeError):
            return _of_lists(parameters, self._places)

    def values(self, parameters: Any) -> int:
        """As `listed`, with a list that is one parameter (`= ANY(?)`) looked up."""
        if not self._array:
            return self.listed
        try:
            lists = [parameters[place] for place in self._places]
            return min(max((len(each) for each in lists if isinstance(each, (list, tuple))), default=1), MOST_VALUES)
        except (LookupError, TypeError):
            return 0


def _number(value: int) -> int:
    return (value & KEY_MASK) or 1


def _of_lists(parameters: Any, places: Sequence[int | str]) -> int:
    """As `Keys.of` where a parameter is a list, which has no hash."""
    try:
        values = [parameters[place] for place in places]
        return _number(hash(tuple([tuple(each) if isinstance(each, list) else each for each in values])))
    except (LookupError, TypeError):
        return 0


class _Scan:
    """One pass over a text: what its values are compared by."""

    def __init__(self, sql: str) -> None:
        self.single: list[int | str] = []
        """Parameters compared one by one, also by a list of one."""
        self.lists: list[int | str] = []
        self.other: list[int | str] = []
        """Further parameters, but for those of LIMIT and OFFSET."""
        self.single_literals: list[str] = []
        self.list_literals: list[str] = []
        self.longest = 0
        self.array = False
        """A list is one parameter."""
        self._counted = 0
        self._scan(sql[:_MAX_SQL])

    def _scan(self, sql: str) -> None:
        operator = previous = ""
        depth, list_depth = 0, -1
        members: list[tuple[int | str | None, str]] = []
        pending: tuple[int | str | None, str] | None = None
        for match in TOKEN.finditer(sql):
            kind, text = match.lastgroup, match.group()
            if kind in ("comment", "space"):
                continue
            if pending is not None:
                # `? = column`
                self._add(*pending, self.single if text == "=" else self.other, text == "=")
                pending = None
            word = text.upper() if kind == "word" else text
            if kind == "word":
                if word in _BOUNDARIES:
                    operator = ""
                    if word == "SELECT" and list_depth == depth:
                        # No list, but a subquery.
                        list_depth = -1
                else:
                    operator = _OPERATORS.get(word, operator)
            elif text == "=":
                operator = "range" if previous in _RANGE else "="
            elif text in _RANGE:
                operator = "range"
            elif text == "(":
                depth += 1
                if previous in ("IN", "ANY"):
                    operator, list_depth, members = previous, depth, []
            elif text == ")":
                if depth == list_depth:
                    self._end_list(members, operator)
                    list_depth, operator = -1, ""
                depth -= 1
            elif kind in ("parameter", "text", "number"):
                place = self._place(text) if kind == "parameter" else None
                if list_depth >= 0:
                    members.append((place, text))
                elif operator == "=":
                    self._add(place, text, self.single, True)
                elif operator != "page":
                    pending = place, text
            previous = word
        if pending is not None:
            self._add(*pending, self.other, False)

    def _add(self, place: int | str | None, text: str, to: list[int | str], compared: bool) -> None:
        if place is not None:
            to.append(place)
        elif compared:
            self.single_literals.append(text)

    def _end_list(self, members: list[tuple[int | str | None, str]], operator: str) -> None:
        self.array = self.array or operator == "ANY"
        if len(members) == 1 and operator == "IN":
            self._add(*members[0], self.single, True)
            return
        self.longest = max(self.longest, len(members))
        self.lists += [place for place, _ in members if place is not None]
        self.list_literals += [text for place, text in members if place is None]

    def _place(self, text: str) -> int | str:
        """Where the parameters have the value of a placeholder."""
        name = text.partition("::")[0]
        if name.startswith("%("):
            return name[2:-2]
        if name in ("?", "%s"):
            self._counted += 1
            return self._counted - 1
        return int(name[1:]) - 1 if name[1:].isdecimal() else name[1:]
