"""Rows of shares over a common time: how far each was on in every step, with spans that deserve to be seen behind."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import Struct

from . import svg
from .line import NARROW, WIDE, Chart
from .scale import Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

__all__ = ["Timeline", "TimelineRow", "timeline"]

_ROW, _BAR = 42.0, 16.0
_TOP = 22.0


class TimelineRow(Struct, frozen=True):
    """One row: what it is, a remark for which a page has room, and its share in each step, from 0 to 1."""

    name: str
    note: str
    shares: Sequence[float]
    css: str = ""


class Timeline(Struct, frozen=True, kw_only=True):
    """All a timeline shows."""

    label: str
    """What a reader who cannot see it must know."""
    rows: Sequence[TimelineRow]
    steps: int
    spans: Sequence[tuple[float, float]]
    """From and until when, in steps."""
    span_name: str
    """What the spans are."""
    ticks: Sequence[tuple[float, str]]
    """Where, in steps, and what stands there."""


def timeline(chart: Timeline) -> Chart:
    """Draw it for a page and for a phone."""
    return Chart(_draw(chart, WIDE), _draw(chart, NARROW))


def _draw(chart: Timeline, width: int) -> Markup:
    x = Scale(0.0, float(chart.steps), 0.0, float(width))
    floor = _TOP + len(chart.rows) * _ROW
    drawn: list[str] = [svg.text(0, 11, chart.span_name, "title")] if chart.spans else []
    for start, end in chart.spans:
        size = max(x(end) - x(start), 1.5)
        drawn.append(
            svg.element(
                "rect", {"class": "outage", "x": x(start), "y": _TOP - 6, "width": size, "height": floor - _TOP}
            )
        )
    for position, row in enumerate(chart.rows):
        top = _TOP + position * _ROW
        note = svg.fit(row.note, width * 0.55) if width == WIDE else ""
        room = width - (len(note) + 2) * svg.CHARACTER_WIDTH
        drawn.append(svg.text(0, top + 12, svg.fit(row.name, room), f"name {row.css}"))
        drawn.append(svg.text(width, top + 12, note, "tick", "end"))
        base = top + 18 + _BAR
        drawn.append(svg.element("line", {"class": "grid", "x1": 0.0, "x2": float(width), "y1": base, "y2": base}))
        drawn += _bars(row, x, base, lambda share: max(share * _BAR, 2.0))
    for at, words in chart.ticks:
        place, anchor = x(at), "middle"
        if at <= 0:
            anchor = "start"
        elif place + len(words) * svg.CHARACTER_WIDTH / 2 > width:
            anchor = "end"
        drawn.append(svg.text(place, floor + 14, words, "tick", anchor))
    return svg.picture(width, floor + 20, chart.label, "chart wide" if width == WIDE else "chart narrow", drawn)


def _bars(row: TimelineRow, x: Scale, base: float, height: Callable[[float], float]) -> list[Markup]:
    """One bar for each stretch of steps with the same share."""
    bars: list[Markup] = []
    at = 0
    for share, steps in groupby(row.shares):
        count = len(list(steps))
        if share > 0:
            tall = height(share)
            bars.append(
                svg.element(
                    "rect",
                    {
                        "class": f"open {row.css}",
                        "x": x(at),
                        "y": base - tall,
                        "width": max(x(at + count) - x(at), 1.5),
                        "height": tall,
                    },
                )
            )
        at += count
    return bars
