"""Checks of a response: compiled once, each says in words what it expected and what it got. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ...exceptions import InvalidValue
from ...units import format_duration, parse_duration
from .extraction import SEARCHED_BYTES, compile_regex, point, pointer_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from .document import Check
    from .extraction import Answered
    from .reading import Places

__all__ = ["CompiledCheck", "compile_check", "seconds", "statuses"]

_SHOWN = 80


class CompiledCheck(NamedTuple):
    """One condition: its name, and a function that says what was got instead, or None where it holds."""

    name: str
    wrong: Callable[[Answered], str | None]


def compile_check(check: Check, path: tuple[str | int, ...], places: Places) -> list[CompiledCheck]:
    """The conditions of a check.

    Raises:
        InvalidValue: a status, pattern, pointer or duration that does not parse.
    """
    compiled = []
    if check.status is not None:
        expected = statuses(check.status, places.where(*path, "status"))
        compiled.append(CompiledCheck("status", lambda response: _status(response, expected)))
    if check.contains is not None:
        text = check.contains.encode()
        compiled.append(CompiledCheck("contains", lambda response: None if text in response.body else _shown(response)))
    if check.matches is not None:
        regex = compile_regex(check.matches, places.where(*path, "matches"))
        compiled.append(
            CompiledCheck(
                "matches",
                lambda response: None if regex.search(response.body, 0, SEARCHED_BYTES) else _shown(response),
            )
        )
    for pointer, value in check.json.items():
        tokens = pointer_tokens(pointer, places.where(*path, "json", pointer))
        compiled.append(CompiledCheck(f"json {pointer}", _json(tokens, value)))
    for name, text_wanted in check.headers.items():
        compiled.append(CompiledCheck(f"header {name}", _header(name, text_wanted)))
    if check.max_latency is not None:
        longest = seconds(check.max_latency, places.where(*path, "max_latency"))
        compiled.append(CompiledCheck("max_latency", lambda response: _latency(response, longest)))
    return compiled


def seconds(value: str | float, where: str) -> float:
    """Seconds of a number or a text such as `500ms`.

    Raises:
        InvalidValue: no duration, or a negative one.
    """
    duration = parse_duration(value, where=where) if isinstance(value, str) else float(value)
    if not duration >= 0:
        raise InvalidValue("Expected a duration of 0 or more", got=value, where=where)
    return duration


def statuses(value: int | str | tuple[int, ...], where: str) -> frozenset[int]:
    """The statuses in 200, (200, 201), "200,404", "2xx" or "200-299".

    Raises:
        InvalidValue: anything else, or statuses outside 200 to 599.
    """
    found: set[int] = set()
    for part in str(value).split(",") if isinstance(value, int | str) else map(str, value):
        part = part.strip().lower()
        if re.fullmatch(r"[2-5]xx", part):
            found.update(range(int(part[0]) * 100, int(part[0]) * 100 + 100))
        elif match := re.fullmatch(r"([2-5]\d\d)(?:-([2-5]\d\d))?", part):
            found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        else:
            raise InvalidValue("Expected statuses such as 200, 200,404 or 2xx", got=value, where=where)
    return frozenset(found)


def _status(response: Answered, expected: frozenset[int]) -> str | None:
    return None if response.status in expected else f"status {response.status}"


def _latency(response: Answered, longest: float) -> str | None:
    if response.latency <= longest:
        return None
    return f"{format_duration(response.latency)}, allowed {format_duration(longest)}"


def _json(tokens: tuple[str, ...], wanted: Any) -> Callable[[Answered], str | None]:
    def wrong(response: Answered) -> str | None:
        try:
            value = point(response.json(), tokens)
        except LookupError:
            return "nothing there"
        except ValueError:
            return f"no JSON: {_shown(response)}"
        if value == wanted and isinstance(value, bool) == isinstance(wanted, bool):
            return None
        return f"{_cut(json.dumps(value))}, expected {_cut(json.dumps(wanted))}"

    return wrong


def _header(name: str, wanted: str) -> Callable[[Answered], str | None]:
    # A header may be a secret, as Set-Cookie is: its value is not told.
    def wrong(response: Answered) -> str | None:
        value = response.headers.get(name)
        if value == wanted:
            return None
        return "no such header" if value is None else "another value"

    return wrong


def _shown(response: Answered) -> str:
    return _cut(repr(response.body[:_SHOWN].decode("utf-8", "replace"))) if response.body else "an empty body"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
