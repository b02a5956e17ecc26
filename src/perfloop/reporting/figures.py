"""Figures as people read them: one way of writing a number for the terminal, HTML and Markdown alike."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from perfloop.units import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from perfloop.records import ErrorKind, Interval

__all__ = [
    "PART_NAMES",
    "PHASE_NAMES",
    "change",
    "clean",
    "count",
    "events_in_words",
    "interval",
    "milliseconds",
    "number",
    "part_name",
    "per_second",
    "plural",
    "sentence",
    "share",
    "shorten",
    "small_share",
    "spaced",
    "span",
    "statement",
    "visible",
    "with_unit",
]

PHASE_NAMES = {"dns": "DNS", "connect": "connect", "tls": "TLS", "first_byte": "first byte", "body": "body"}

PART_NAMES = {
    "queue": "queue",
    "send_lag": "send lag",
    "cpu": "on CPU",
    "event_loop_wait": "event-loop wait",
    "worker_wait": "worker-thread wait",
    "database": "database",
    "pool_wait": "connection-pool wait",
    "upstream": "upstream HTTP",
    "blocking": "blocking call",
    "sleep": "asyncio.sleep",
    "interpreter_wait": "interpreter wait",
    "gc": "garbage collection",
    "network": "network",
    "unaccounted": "unaccounted",
}
"""The parts of a latency breakdown in words; other names are shown with their underscores as spaces."""

_NO_FIGURE = "–"
# All but the no-break space.
_WHITE_SPACE = re.compile(r"[^\S\u00a0]+")
_LIST = re.compile(r"(\?(?:, ?\?){2})(?:, ?\?)+")
_SELECT = re.compile(r"SELECT (?:DISTINCT )?", re.IGNORECASE)
_DEPTH = re.compile(r"""[()]| FROM |"[^"]*"|'[^']*'|`[^`]*`|\[\w[^\]]*\]""", re.IGNORECASE)
_UNIT = re.compile(r"[^\d.,]+$")


def events_in_words(events: Sequence[ErrorKind]) -> list[str]:
    """What happened that is no failed request, each with its example."""
    return [
        f"{clean(each.kind)} × {count(each.count)}" + (f": {clean(each.example)}" if each.example else "")
        for each in events
    ]


def part_name(part: str) -> str:
    """The part of a breakdown in words."""
    return PART_NAMES.get(part) or spaced(part)


def spaced(name: str) -> str:
    """A name of a record's field in words: `latency_p99` reads `latency p99`."""
    return clean(name.replace("_", " "))


def number(value: float) -> str:
    """At least three significant digits, thousands with commas: `0.512`, `41.2`, `1,234`, `1.2e+09`."""
    if not math.isfinite(value):
        return _NO_FIGURE
    if abs(value) >= 1e15:
        return f"{value:.2e}"
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value) * 1.0005)))
    text = f"{value:.{min(decimals, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: int) -> str:
    """A whole number with thousands commas."""
    return f"{value:,}"


def plural(value: int, noun: str, many: str | None = None) -> str:
    """`1 request`, `1,200 requests`."""
    return f"{value:,} {noun if value == 1 else many or noun + 's'}"


def milliseconds(value: float | None) -> str:
    """Milliseconds in the unit that reads best; a dash for None."""
    if value is None or not math.isfinite(value):
        return _NO_FIGURE
    return format_duration(value / 1000)


def per_second(value: float, of: str = "requests") -> str:
    """`215 requests/s`, `1 request/s`."""
    return f"{number(value)} {of.removesuffix('s') if number(value) == '1' else of}/s"


def share(fraction: float) -> str:
    """A fraction as percent: `83 %`, `0.4 %`, `< 0.01 %`."""
    if not math.isfinite(fraction):
        return _NO_FIGURE
    percent = fraction * 100
    if percent == 0:
        return "0 %"
    if abs(percent) < 0.01:
        return "< 0.01 %"
    # 99.96 % must not read as 100 %: rounding must never turn some errors into none, or many into all.
    if 99 < percent < 100:
        return f"{min(percent, 99.99):.{2 if percent > 99.9 else 1}f} %"
    decimals = 0 if abs(percent) >= 9.95 else 1 if abs(percent) >= 0.95 else 2
    text = f"{percent:.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def small_share(fraction: float) -> str:
    """A part of a whole in whole percent: `83 %`, `< 1 %`; empty for none."""
    if not fraction > 0:
        return ""
    return f"{fraction * 100:.0f} %" if fraction > 0.005 else "< 1 %"


def span(low: str, high: str) -> str:
    """Two figures in words, their unit written once: `55–90 ms`, `170–248/s`, `850 µs–1.2 ms`."""
    low_unit, high_unit = (_UNIT.search(words) for words in (low, high))
    if low_unit and high_unit and low_unit[0] == high_unit[0]:
        low = low[: low_unit.start()]
    return f"{low}–{high}"


def sentence(text: str) -> str:
    """The text with a capital first letter, unless it starts with a name or code."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() and first.islower() else text


def shorten(text: str, most: int) -> str:
    """The text in at most `most` characters, cut with an ellipsis."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def statement(text: str, most: int) -> str:
    """A statement in at most `most` characters or so: its columns give way first, then its lists, then its end.

    What a statement asks by comes after its columns, of which an ORM writes all.
    """
    text = clean(text)
    if len(text) > most:
        text = _LIST.sub(r"\1, …", text)
    if len(text) > most and (found := _SELECT.match(text)):
        columns, rest = _until_from(text, found.end())
        first, comma, _ = columns.partition(",")
        if comma and rest and "(" not in first:
            text = f"{found[0]}{first}, …{rest}"
    return shorten(text, most)


def _until_from(text: str, start: int) -> tuple[str, str]:
    """The text up to the FROM outside all parentheses, and from there on; nothing there where there is none."""
    depth = 0
    for found in _DEPTH.finditer(text, start):
        if found[0] in "()":
            depth += 1 if found[0] == "(" else -1
        elif depth == 0 and found[0][0] not in "\"'`[":
            return text[start : found.start()], text[found.start() :]
    return text[start:], ""


def with_unit(value: float | None, unit: str, *, short: bool = False) -> str:
    """A value in the unit its record names: `ms`, `s`, `µs`, `bytes`, `bytes/s`, `share`, `%`, `requests/s`, or any
    other word; `short` writes `38/s` for `38 requests/s`, for tables; sizes keep their unit."""
    if value is None or not math.isfinite(value):
        return _NO_FIGURE
    scale = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "seconds": 1.0}.get(unit)
    if scale is not None:
        return format_duration(value * scale)
    if unit in ("bytes", "B"):
        return format_bytes(value)
    if unit in ("bytes/s", "B/s"):
        return f"{format_bytes(value)}/s"
    if unit in ("share", "fraction"):
        return share(value)
    if unit == "%":
        return share(value / 100)
    unit = "/s" if unit == "1/s" or (short and unit.endswith("/s") and not unit.endswith("B/s")) else clean(unit)
    return f"{number(value)}{'' if unit.startswith('/') or not unit else ' '}{unit}"


def interval(low_high: Sequence[float] | tuple[float, float, float | None]) -> str:
    """Both ends of (low, estimate, high) without unit: `55–90`; `55 or more` without an upper end."""
    low, high = low_high[0], low_high[-1]
    return f"{number(low)} or more" if high is None else f"{number(low)}–{number(high)}"


def change(before: float | None, after: Interval, unit: str) -> str:
    """A predicted or measured change, in one common unit: `412 → 70 ms (55–90)`.

    Args:
        before: the figure now; None leaves out the arrow's left side.
        after: low, estimate, high.
        unit: `ms`, which is scaled to µs or s where that reads better, or any word.
    """
    factor, shown = _common_unit([value for value in (before, *after) if value is not None], unit)
    left = "" if before is None else f"{number(before * factor)} "
    return f"{left}→ {number(after[1] * factor)} {shown} ({interval([value * factor for value in after])})"


def _common_unit(values: Iterable[float], unit: str) -> tuple[float, str]:
    finite = [abs(value) for value in values if math.isfinite(value) and value]
    if unit != "ms" or not finite:
        return 1.0, unit
    if min(finite) >= 1_000 or max(finite) >= 100_000:
        return 1e-3, "s"
    return (1.0, "ms") if max(finite) >= 1 else (1e3, "µs")


# Control characters and lone surrogates, line and paragraph separators, and bidirectional controls, which reorder what
# stands beside them; other format characters (joiners) are part of words.
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """One line of text from the service, safe to show: white space folded, control characters made visible.

    Routes, statements and error messages come from outside; an escape sequence among them must not reach a terminal.
    """
    return visible(_WHITE_SPACE.sub(" ", text).strip())


def visible(text: str) -> str:
    """The text with what would control a terminal made visible, line ends too."""
    return _HARMFUL.sub("\ufffd", text)
