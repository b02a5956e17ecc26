"""Strings that match a regular expression, made from its parts; and matching that a hostile expression cannot stall.

Python's engine tries every way to divide a text among repetitions: k of them one after the other take time of the k-th
power of its length, nested ones time exponential in it. So such expressions are only ever tried on short texts.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache, partial
from operator import ne
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["PatternError", "matches", "matching_text"]

_LONGEST = 5_000
_AMBIGUOUS_LONGEST = 16
_MOST_STEPS = 1e7
_MOST_EXTRA = 40
_ALPHABET = string.ascii_lowercase + string.digits + string.ascii_uppercase + "-_.~ " + string.punctuation
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    codes.CATEGORY_DIGIT: str.isdigit,
    codes.CATEGORY_SPACE: str.isspace,
    codes.CATEGORY_WORD: lambda character: character.isalnum() or character == "_",
}
_OPPOSITES = {
    codes.CATEGORY_NOT_DIGIT: codes.CATEGORY_DIGIT,
    codes.CATEGORY_NOT_SPACE: codes.CATEGORY_SPACE,
    codes.CATEGORY_NOT_WORD: codes.CATEGORY_WORD,
}
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


class PatternError(ValueError):
    """A regular expression that is none, or for which no text is found."""


@lru_cache(256)
def _parsed(pattern: str) -> Any:
    try:
        return parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(f"the pattern {pattern[:60]!r} is none Python understands") from error


@lru_cache(256)
def _longest(pattern: str) -> int:
    """Characters of a text on which trying the expression ends soon."""
    unbounded, ambiguous = _shape(_parsed(pattern))
    return _AMBIGUOUS_LONGEST if ambiguous else min(_LONGEST, int(_MOST_STEPS ** (1 / max(unbounded, 1))))


def matches(pattern: str, text: str) -> bool:
    """Whether the expression is found in the text; taken as found where trying could take for ever.

    Raises:
        PatternError: no regular expression.
    """
    return len(text) > _longest(pattern) or re.search(pattern, text) is not None


def matching_text(pattern: str, random: Random, least: int = 0, most: int | None = None) -> str:
    """A text in which the expression is found, of the shortest repetitions that give it enough characters.

    Args:
        least: characters at least.
        most: characters at most; None: any number.

    Raises:
        PatternError: none is found.
    """
    tree = _parsed(pattern)
    longest = min(most if most is not None else _LONGEST, _longest(pattern))
    for extra in range(_MOST_EXTRA):
        writer = _Writer(random, extra)
        writer.write(tree)
        text = "".join(writer.parts)
        if least <= len(text) <= longest and matches(pattern, text):
            return text
    raise PatternError(f"no text found for the pattern {pattern[:60]!r}")


def _shape(tree: Any, repeated: bool = False) -> tuple[int, bool]:
    """How many repetitions without bound it has, and whether what is repeated can itself be divided in several ways."""
    unbounded, ambiguous = 0, False
    for code, argument in tree:
        inner: list[tuple[int, bool]] = []
        if code in _REPEATS:
            low, high, body = argument
            unbounded += high is codes.MAXREPEAT
            ambiguous |= repeated and low != high
            inner = [_shape(body, repeated or high > 1)]
        elif code is codes.BRANCH:
            ambiguous |= repeated
            inner = [_shape(branch, repeated) for branch in argument[1]]
        elif code is codes.SUBPATTERN:
            inner = [_shape(argument[3], repeated)]
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            inner = [_shape(argument[1], repeated)]
        elif code is codes.ATOMIC_GROUP:
            inner = [_shape(argument, repeated)]
        unbounded += sum(number for number, _ in inner)
        ambiguous |= any(each for _, each in inner)
    return unbounded, ambiguous


class _Writer:
    """Writes a text for one parsed expression; each repetition `extra` times more than it must, where it may."""

    def __init__(self, random: Random, extra: int) -> None:
        self.parts: list[str] = []
        self._random = random
        self._extra = extra
        self._groups: dict[int, str] = {}

    def write(self, tree: Any) -> None:
        for code, argument in tree:
            if len(self.parts) > _LONGEST:
                raise PatternError("the text would be too long")
            if code is codes.LITERAL:
                self.parts.append(chr(argument))
            elif code is codes.NOT_LITERAL:
                self._choose(partial(ne, chr(argument)))
            elif code is codes.ANY:
                self._choose(str.isalnum)
            elif code is codes.IN:
                self._choose(partial(_contains, argument))
            elif code is codes.BRANCH:
                self.write(self._random.choice(argument[1]))
            elif code is codes.SUBPATTERN:
                start = len(self.parts)
                self.write(argument[3])
                if argument[0] is not None:
                    self._groups[argument[0]] = "".join(self.parts[start:])
            elif code in _REPEATS:
                low, high, inner = argument
                for _ in range(min(low + self._extra, high, _LONGEST + 1)):
                    self.write(inner)
            elif code is codes.ATOMIC_GROUP:
                self.write(argument)
            elif code is codes.GROUPREF:
                self.parts.append(self._groups.get(argument, ""))
            elif code not in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):  # those are seen to hold afterwards
                raise PatternError(f"perfloop makes no text for patterns with {str(code).lower()}")

    def _choose(self, wanted: Callable[[str], bool]) -> None:
        fitting = [character for character in _ALPHABET if wanted(character)]
        if not fitting:
            fitting = [chr(code) for code in range(0x20, 0x3000) if wanted(chr(code))][:50]
        if not fitting:
            raise PatternError("a character class of the pattern is empty")
        # Letters and digits first: they need no quoting anywhere.
        plain = [character for character in fitting if character.isalnum()]
        self.parts.append(self._random.choice(plain or fitting))


def _contains(items: Any, character: str) -> bool:
    negated = False
    found = False
    for code, argument in items:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            found = found or ord(character) == argument
        elif code is codes.RANGE:
            found = found or argument[0] <= ord(character) <= argument[1]
        elif code is codes.CATEGORY:
            if argument in _OPPOSITES:
                found = found or not _CATEGORIES[_OPPOSITES[argument]](character)
            else:
                found = found or _CATEGORIES[argument](character)
    return found != negated
