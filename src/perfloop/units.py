"""Quantities as people write them: `500ms`, `10MB`, `0.1%`. Python gets float seconds, bytes and fractions."""

from __future__ import annotations

import math
import re

from .exceptions import InvalidValue

__all__ = [
    "format_bytes",
    "format_duration",
    "format_rate",
    "parse_bytes",
    "parse_duration",
    "parse_duration_range",
    "parse_fraction",
    "parse_rate",
]

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_PER = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
_MULTIPLES = {"": 1.0, "k": 1e3, "M": 1e6}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]+)?|\.[0-9]+)\s*([kM]?)\s*(?:/\s*([a-z]+))?")
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([A-Za-zµ%]*)")


def _split(text: str, expected: str, where: str | None) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or not math.isfinite(float(match[1])):
        raise InvalidValue(f"Expected {expected}", got=text, where=where)
    return float(match[1]), match[2]


def parse_duration(text: str, *, where: str | None = None) -> float:
    """Seconds in `500ms`, `5s`, `2m`, `1h`; a bare number counts seconds.

    Raises:
        InvalidValue: not a duration; `where` names the option in the message.
    """
    expected = "a duration such as 500ms, 5s or 2m"
    number, unit = _split(text, expected, where)
    if unit and unit not in _SECONDS:
        raise InvalidValue(f"Expected {expected}", got=text, where=where)
    return number * _SECONDS[unit or "s"]


def parse_duration_range(text: str, *, where: str | None = None) -> tuple[float, float]:
    """Seconds in `0.5s..2s`. Each end has its unit: in `10..30ms` nobody knows whether the first counts seconds.

    Raises:
        InvalidValue: an end is no duration, or has no unit and is not 0.
    """
    low, high = text.split("..", 1)
    ends = parse_duration(low, where=where), parse_duration(high, where=where)
    (low, low_unit), (high, high_unit) = (_QUANTITY.findall(end)[0] for end in (low, high))
    if (ends[0] and not low_unit) or (ends[1] and not high_unit):
        raise InvalidValue(
            "Expected a unit at both ends of a range",
            got=text,
            where=where,
            hint=f"{low}s..{high}s are seconds, {low}ms..{high}ms milliseconds",
        )
    return ends


def parse_bytes(text: str, *, where: str | None = None) -> int:
    """Bytes in `512`, `64KB`, `10MB` (powers of ten) or `10MiB` (powers of two).

    Raises:
        InvalidValue: not a size.
    """
    expected = "a size such as 64KB, 10MB or 1GiB"
    number, unit = _split(text, expected, where)
    if unit and unit.upper() not in _BYTES:
        raise InvalidValue(f"Expected {expected}", got=text, where=where)
    return round(number * _BYTES[(unit or "B").upper()])


def parse_fraction(text: str, *, where: str | None = None) -> float:
    """The fraction in `0.1%` (0.001) or `0.001`.

    Raises:
        InvalidValue: not a share between 0 and 1.
    """
    expected = "a share such as 0.1% or 0.001"
    number, unit = _split(text, expected, where)
    fraction = number / 100 if unit == "%" else number
    if unit not in ("", "%") or fraction > 1:
        raise InvalidValue(f"Expected {expected}", got=text, where=where)
    return fraction


def parse_rate(text: str, *, where: str | None = None) -> float:
    """A rate a second, 0 or more, in `500`, `2k`, `500/s` or `3000/min`.

    Raises:
        InvalidValue: not a rate.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None or (match[3] or "s") not in _PER or not math.isfinite(float(match[1])):
        raise InvalidValue("Expected a rate such as 500 (a second) or 3000/min", got=text, where=where)
    return float(match[1]) * _MULTIPLES[match[2]] / _PER[match[3] or "s"]


def format_duration(seconds: float) -> str:
    """Three significant digits in the unit that reads best: `850 µs`, `70.2 ms`, `1.41 s`, `2 min 5 s`."""
    if seconds == 0:
        return "0 s"
    if abs(seconds) >= 120:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= size * 0.9995:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds / 1e-9)} ns"


def format_bytes(size: float) -> str:
    """Three significant digits in powers of ten: `812 B`, `1.2 MB`."""
    for unit in ("GB", "MB", "KB"):
        if abs(size) >= _BYTES[unit] * 0.9995:
            return f"{_three_digits(size / _BYTES[unit])} {unit.replace('K', 'k')}"
    return f"{size:.0f} B"


def format_rate(rate: float) -> str:
    """Requests a second with three significant digits or more: `0.5 requests/s`, `1 request/s`, `12,340 requests/s`."""
    number = f"{rate:,.0f}" if rate >= 999.5 else _three_digits(rate)
    return f"{number} request{'' if number == '1' else 's'}/s"


def _three_digits(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
