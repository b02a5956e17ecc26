"""Values worth trying in a column: boundaries, look-alikes, and neighbours of what a statement compares with."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .tables import Column

__all__ = ["common_values", "fits", "from_literal", "matching_texts", "neighbours", "odd_values"]

_TEXTS = ("", "a", "A", "a ", " a", "b", "ab", "é", "e\u0301", "ß", "😀", "%", "_", "\\", "'", "0", "00", "null")
# Letters that become others in one case and not in the other.
_FOLDED = (("s", "\u017f"), ("k", "\u212a"), ("i", "\u0131"), ("ss", "\u00df"))
_DAY = dt.timedelta(days=1)
_TICK = dt.timedelta(microseconds=1)


def common_values(column: Column) -> list[Any]:
    """Values that any statement may stumble over, without NULL.

    Empty for a type no value is known of.
    """
    values: list[Any]
    match column.kind:
        case "integer":
            values = [0, 1, 2, 3, -1, column.low, column.high]
        case "decimal":
            values = [Decimal(text) for text in ("0", "1", "2", "-1", "0.5", "0.01", "1.10", "99999999.99")]
        case "float":
            values = [0.0, 1.0, 2.0, -1.0, 0.5, -0.25, 1e15]
        case "text":
            values = list(_TEXTS)
        case "boolean":
            values = [True, False]
        case "date":
            values = [dt.date(2024, 2, 29), dt.date(2023, 12, 31), dt.date(1970, 1, 1), dt.date(9999, 12, 31)]
        case "timestamp" | "timestamptz":
            values = [
                dt.datetime(2024, 2, 29),
                dt.datetime(2023, 12, 31, 23, 59, 59, 999999),
                dt.datetime(2024, 1, 1),
                dt.datetime(1970, 1, 1, 12, 30),
            ]
            if column.kind == "timestamptz":  # the days before clocks are changed
                values += [dt.datetime(2024, 3, 30, 12, 0), dt.datetime(2024, 11, 2, 12, 0)]
        case "time":
            values = [dt.time(0, 0), dt.time(12, 30), dt.time(23, 59, 59, 999999)]
        case "uuid":
            values = [f"00000000-0000-4000-8000-{number:012d}" for number in range(6)]
        case "json":
            values = ["{}", "[]", "null", '"a"', "1", '{"a": null}', '{"a": 1}', '{"a": "a"}']
        case "binary":
            values = [b"", b"\0", b"a", b"\xff"]
        case "enum":
            values = list(column.labels)
        case "array":
            values = ["{}", "{NULL}", "{0}", "{1}", "{1,2}", "{2,1}", "{1,1}", "{1,NULL}"] if _countable(column) else []
            if column.declared.startswith(("text", "character")):
                values = ["{}", "{NULL}", "{a}", "{A}", "{a,b}", "{b,a}", "{a,a}", "{a,NULL}"]
        case _:
            values = []
    return [value for value in values if value is not None and fits(value, column)]


def odd_values(column: Column) -> list[Any]:
    """Values that are beyond the others, or none of them."""
    match column.kind:
        case "float":
            return [-0.0, math.nan, math.inf] if column.infinite else [-0.0]
        case "decimal":
            return [Decimal("NaN")] if column.infinite else []
        case "date" | "timestamp" | "timestamptz":
            return ["infinity"] if column.infinite else []
    return []


def neighbours(value: Any) -> Iterator[Any]:
    """The value, and those a hair's breadth from it."""
    yield value
    match value:
        case bool() | bytes():
            pass
        case int():
            yield from (value - 1, value + 1, -value)
        case Decimal():
            yield from (value - Decimal("0.01"), value + Decimal("0.01"), -value)
        case float():
            yield from (value - 0.5, value + 0.5, -value)
            yield from (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
        case str():
            yield from (value.upper(), value.lower(), value.swapcase(), value + " ", " " + value, value + "x")
            yield value[:-1]
            lower = value.lower()
            yield from (lower.replace(plain, other) for plain, other in _FOLDED if plain in lower)
        case dt.datetime():
            midnight = dt.datetime.combine(value.date(), dt.time(), value.tzinfo)
            yield from _reachable(
                value,
                (-_TICK, _TICK, -_DAY, _DAY, _DAY - _TICK, dt.timedelta(hours=12), 31 * _DAY, 366 * _DAY, -32 * _DAY),
            )
            yield midnight
        case dt.date():
            yield from _reachable(value, (-_DAY, _DAY, 31 * _DAY, 366 * _DAY, -32 * _DAY))


def _reachable(value: Any, steps: Iterable[dt.timedelta]) -> Iterator[Any]:
    for step in steps:
        try:
            yield value + step
        except OverflowError:
            continue


def from_literal(text: str, is_text: bool, column: Column) -> Iterator[Any]:
    """What a literal of the statement may mean in the column, none where it means nothing there."""
    try:
        match column.kind:
            case "integer":
                number = Decimal(text)
                yield int(number)
                if number != int(number):
                    yield int(number) + 1
            case "decimal":
                yield Decimal(text)
            case "float":
                yield float(text)
            case "text":
                yield text
            case "boolean":
                yield text.lower() in ("t", "true", "1", "yes", "on")
            case "date":
                yield from (moment.date() for moment in _moments(text))
            case "timestamp" | "timestamptz":
                yield from _moments(text)
            case "time":
                yield dt.time.fromisoformat(text)
            case "uuid":
                if re.fullmatch(r"[0-9a-fA-F-]{36}", text):
                    yield text
            case "enum":
                if text in column.labels:
                    yield text
            case "json" if is_text:
                try:
                    json.loads(text)
                    yield text
                except ValueError:
                    yield json.dumps(text)
                yield from (json.dumps({text: inner}) for inner in (1, text, None))
            case "array" if not _countable(column) or text.lstrip("-").isdigit():
                element = text if text.startswith("{") else '{"' + text.replace("\\", r"\\").replace('"', r"\"") + '"}'
                yield from (element, f"{element[:-1]},NULL}}", "{NULL}")
            case "binary":
                yield text.encode()
    except (ValueError, InvalidOperation, OverflowError):
        return


def _countable(column: Column) -> bool:
    return column.declared.startswith(("integer", "bigint", "smallint", "numeric", "real", "double"))


def _moments(text: str) -> Iterator[dt.datetime]:
    if re.fullmatch(r"(?:19|20)\d\d", text):  # a year, as EXTRACT is compared with
        yield from (dt.datetime(int(text), 1, 1), dt.datetime(int(text), 12, 31, 23, 59, 59, 999999))
        return
    moment = dt.datetime.fromisoformat(text.strip())
    yield moment.replace(tzinfo=None)


def matching_texts(pattern: str) -> list[str]:
    """Texts that a LIKE pattern matches, or almost does."""
    plain = pattern.replace("\\%", "\0").replace("\\_", "\1")
    filled = [
        plain.replace("%", many).replace("_", one).replace("\0", "%").replace("\1", "_")
        for many, one in (("", "a"), ("x", "b"), ("user", "é"), ("a%", "_"), ("", ""))
    ]
    return [*filled, *(text.swapcase() for text in filled[:2]), filled[1] + "x", "x" + filled[0]]


def fits(value: Any, column: Column) -> bool:
    """The column's type holds the value."""
    match value:
        case bool():
            return True
        case int():
            return (column.low is None or value >= column.low) and (column.high is None or value <= column.high)
        case str() if column.kind == "array":
            return value.startswith("{") and value.endswith("}")
        case str() if column.kind == "text":
            return "\0" not in value and (column.length is None or len(value) <= column.length)
        case Decimal() if column.precision is not None:
            scale = column.scale or 0
            exponent = value.normalize().as_tuple().exponent
            return (
                isinstance(exponent, int)
                and -exponent <= scale
                and abs(value) < Decimal(10) ** (column.precision - scale)
            )
    return True
