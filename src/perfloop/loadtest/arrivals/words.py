"""The words of one piece of a profile's notation, taken one after the other."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from ...exceptions import InvalidValue
from ...units import parse_duration, parse_rate

__all__ = ["Form", "Words"]

_RATE = r"(?:\d+\.?\d*|\.\d+)[kM]?(?:/(?:s|sec|second|m|min|minute|h|hour))?"
_SPAN = re.compile(rf"({_RATE})(?:\.\.\.?|…|→|->|-|–|to)({_RATE})")
_SWING = re.compile(rf"({_RATE})(?:±|\+-|\+/-)({_RATE})")
_TIME = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|min|h)")
_NUMBER = re.compile(_RATE)
# Said by some before a rate or a time, and understood without.
_FILLERS = {"at", "for", "from", "in", "of", "over"}
_PER_SECOND = {"/s", "rps", "requests/s", "req/s"}


class Form(NamedTuple):
    """How a profile is written."""

    usage: str
    example: str


class Words:
    """The words of one piece.

    Args:
        words: after the profile's name.
        piece: the piece as it was written, for messages.
        form: how it should be written.
        where: the option or key it came from.
    """

    def __init__(self, words: list[str], piece: str, form: Form, where: str) -> None:
        self._words = words
        self._piece = piece
        self._form = form
        self.where = where

    def __bool__(self) -> bool:
        return bool(self._words)

    def rate(self) -> float:
        """Requests a second: `500`, `2k`, `3000/min`."""
        self._skip_fillers()
        rate = parse_rate(self._match(_NUMBER, 1, "a rate such as 500 or 3000/min")[0], where=self.where)
        if self._words and self._words[0] in _PER_SECOND:
            self._words.pop(0)
        return rate

    def more_rates(self) -> bool:
        """The next word is a rate."""
        return bool(self._words) and _NUMBER.fullmatch(self._words[0]) is not None

    def span(self) -> tuple[float, float] | None:
        """Two rates, `10..500`, also `10-500` and `10 to 500`; None when the next words are none."""
        self._skip_fillers()
        return self._two_rates(_SPAN)

    def swing(self) -> tuple[float, float] | None:
        """`100±50` or `100+-50`; None when the next words are none."""
        return self._two_rates(_SWING)

    def expect_span(self) -> tuple[float, float]:
        """As `span`, where there must be one."""
        return self.span() or self.fail("two rates such as 10..500")

    def time(self) -> float:
        """Seconds, above 0: `500ms`, `30s`, `2m`."""
        self._skip_fillers()
        seconds = parse_duration(self._match(_TIME, 2, "a duration such as 30s or 2m")[0], where=self.where)
        return seconds or self.fail("a duration above zero")

    def final_time(self) -> float | None:
        """A duration, when any words are left."""
        return self.time() if self._words else None

    def text(self, expected: str) -> str:
        """The next word, whatever it is."""
        if not self._words:
            self.fail(expected)
        return self._words.pop(0)

    def matching(self, pattern: str) -> str | None:
        """The first group of the next word when it matches; None, and the word stays, when it does not."""
        match = re.fullmatch(pattern, self._words[0]) if self._words else None
        if match is None:
            return None
        self._words.pop(0)
        return match[1]

    def keyword(self, *names: str) -> bool:
        """Take the next word if it is one of those."""
        if self._words and self._words[0].lower() in names:
            self._words.pop(0)
            return True
        return False

    def end(self) -> None:
        """Nothing may be left."""
        if self._words:
            self.fail("nothing more")

    def fail(self, expected: str) -> NoReturn:
        """Say what was expected at this place of the piece."""
        raise InvalidValue(
            f"Expected {expected} {'in' if self._words else 'at the end of'} the profile `{self._piece}`",
            got=" ".join(self._words) or None,
            where=self.where,
            hint=f"it is written `{self._form.usage}`, for example `{self._form.example}`",
        )

    def _skip_fillers(self) -> None:
        while self._words and self._words[0].lower() in _FILLERS:
            self._words.pop(0)

    def _two_rates(self, pattern: re.Pattern[str]) -> tuple[float, float] | None:
        for count in (3, 2, 1):
            match = pattern.fullmatch("".join(self._words[:count]))
            if match is not None:
                del self._words[:count]
                return parse_rate(match[1], where=self.where), parse_rate(match[2], where=self.where)
        return None

    def _match(self, pattern: re.Pattern[str], most: int, expected: str) -> re.Match[str]:
        for count in range(most, 0, -1):
            match = pattern.fullmatch("".join(self._words[:count]))
            if match is not None:
                del self._words[:count]
                return match
        return self.fail(expected)
