"""Horizontal bars: stacked ones for where time goes, pairs for before and after a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import svg
from .line import NARROW, WIDE, Chart
from .scale import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

__all__ = ["BeforeAfter", "Segment", "StackedBar", "before_after", "stacked_bars"]

_BAR, _ROW = 30, 56
_GAIN_WIDTH = 320
# A gap between segments tells them apart without colour.
_GAP = 1.5


class Segment(Struct, frozen=True):
    """One part of a stacked bar."""

    name: str
    value: float
    css: str
    note: str
    """The value in words."""


class StackedBar(Struct, frozen=True):
    """One bar: what it is, its whole in words, and its parts from the left."""

    name: str
    note: str
    segments: Sequence[Segment]


class BeforeAfter(Struct, frozen=True):
    """One figure now and after a fix (low, estimate, high), each with its words."""

    name: str
    before: float
    after: tuple[float, float, float]
    before_note: str
    after_note: str
    interval_note: str


def stacked_bars(bars: Sequence[StackedBar], label: str) -> Chart:
    """Bars below each other on one common scale."""
    return Chart(_stacked(bars, label, WIDE), _stacked(bars, label, NARROW))


def _stacked(bars: Sequence[StackedBar], label: str, width: int) -> Markup:
    longest = max((sum(segment.value for segment in bar.segments) for bar in bars), default=0.0)
    x = Scale(0.0, longest or 1.0, 0.0, float(width))
    drawn: list[str] = []
    for row, bar in enumerate(bars):
        top = row * _ROW
        drawn.append(svg.words(0, top + 13, (bar.name, "name"), (bar.note, "note")))
        left = 0.0
        for segment in bar.segments:
            size = x(segment.value)
            if size < 0.3:
                left += size
                continue
            drawn.append(
                svg.element(
                    "rect",
                    {
                        "class": f"segment {segment.css}",
                        "x": left,
                        "y": float(top + 20),
                        "width": max(size - _GAP, 0.3),
                        "height": float(_BAR),
                    },
                    svg.element("title", {}, f"{segment.name}: {segment.note}"),
                )
            )
            for words in (f"{segment.name} {segment.note}", segment.name, segment.note):
                if len(words) * svg.CHARACTER_WIDTH + 12 < size:
                    drawn.append(svg.text(left + 7, top + 20 + _BAR / 2 + 4, words, f"inside {segment.css}"))
                    break
            left += size
    return svg.picture(width, len(bars) * _ROW, label, "chart wide" if width == WIDE else "chart narrow", drawn)


def before_after(rows: Sequence[BeforeAfter], label: str) -> Markup:
    """Each figure as two bars on a scale of its own, now above after, with the interval as a whisker."""
    width, name_width, height, gap = _GAIN_WIDTH, 78, 15, 62
    drawn: list[str] = []
    for position, row in enumerate(rows):
        top = position * gap
        # The words behind the bars need room: the longest bar ends before them.
        longest = max(len(row.before_note), len(row.after_note) + len(row.interval_note) + 3)
        room = max(width - name_width - 10 - longest * svg.CHARACTER_WIDTH, 60.0)
        x = Scale(0.0, max(row.before, *row.after) or 1.0, 0.0, room)
        drawn.append(svg.text(0, top + 12, row.name, "name"))
        for offset, value, css, words_right in (
            (0, row.before, "before", row.before_note),
            (22, row.after[1], "after", row.after_note),
        ):
            y = float(top + offset)
            drawn.append(
                svg.element(
                    "rect",
                    {
                        "class": css,
                        "x": float(name_width),
                        "y": y,
                        "width": max(x(value), 1.0),
                        "height": float(height),
                    },
                )
            )
            end = name_width + x(row.after[2] if css == "after" else value)
            parts = [(words_right, f"note {css}")]
            if css == "after":
                drawn.append(_whisker(name_width + x(row.after[0]), name_width + x(row.after[2]), y + height / 2))
                parts.append((f"({row.interval_note})", "note"))
            drawn.append(svg.words(end + 7, y + 12, *parts))
        drawn.append(svg.text(0, top + 34, "after the fix", "note"))
    return svg.picture(width, max(len(rows) * gap - 20, 1), label, "chart gain", drawn)


def _whisker(low: float, high: float, y: float) -> Markup:
    data = f"M{low:.1f} {y - 4:.1f}v8M{low:.1f} {y:.1f}H{high:.1f}M{high:.1f} {y - 4:.1f}v8"
    return svg.element("path", {"class": "whisker", "d": data})
