"""Line and area charts: one or more series over a common x, with axes, marks and what hovering shows."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct

from . import svg
from .scale import Scale, linear_scale, log_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup

__all__ = ["NARROW", "WIDE", "Axis", "Band", "Chart", "LineChart", "Mark", "Series", "line_chart"]

WIDE, NARROW = 860, 360
"""Widths in pixels of the two drawings of each chart: for a page, and for a phone or a card."""

_TOP, _BOTTOM = 26, 44
_LABEL_GAP = 13.0
# From this ratio of the largest to the middle value on, a straight axis would flatten most of the chart.
_LOG_FROM = 20.0


class Axis(Struct, frozen=True):
    """What an axis shows."""

    title: str
    """With the unit, where the tick labels do not carry it."""
    label: Callable[[float], str]
    """A tick's value in words."""


class Series(Struct, frozen=True):
    """One line: its values at each x (None is a gap), and how it looks."""

    name: str
    values: Sequence[float | None]
    css: str
    """Class that gives its colour and dash."""
    kind: Literal["line", "area"] = "line"
    dots: bool = False


class Mark(Struct, frozen=True):
    """A vertical line at an x that deserves a word."""

    x: float
    label: str


class Band(Struct, frozen=True):
    """A span of x that deserves a word, as an interval does."""

    start: float
    end: float
    label: str


class LineChart(Struct, frozen=True, kw_only=True):
    """All a line chart shows; `line_chart` draws it."""

    label: str
    """What a reader who cannot see it must know."""
    x: Sequence[float]
    series: Sequence[Series]
    x_axis: Axis
    y_axis: Axis
    titles: Sequence[str]
    """What hovering calls each x."""
    x_scale: Callable[[float, float], tuple[Scale, list[float]]]
    """Scale and ticks for a span of pixels (start, end)."""
    y_log: bool | None = None
    """None decides by how far the largest value is from the middle one."""
    marks: Sequence[Mark] = ()
    bands: Sequence[Band] = ()
    height: int = 300
    gutter: float = 0.0
    """Least room left of the plot, so that charts below each other line up."""


class Chart(Struct, frozen=True):
    """A finished chart: two drawings of it, and the figures that hovering shows (JSON)."""

    wide: Markup
    narrow: Markup
    hover: str = ""


def line_chart(chart: LineChart) -> Chart:
    """Draw a line chart for a page and for a phone."""
    hover = {
        "titles": list(chart.titles),
        "series": [
            {
                "name": series.name,
                "css": series.css,
                "values": [None if value is None else chart.y_axis.label(value) for value in series.values],
            }
            for series in chart.series
        ],
    }
    return Chart(_draw(chart, WIDE), _draw(chart, NARROW), msgspec.json.encode(hover).decode())


def _draw(chart: LineChart, width: int) -> Markup:
    height = chart.height if width == WIDE else round(chart.height * 0.85)
    y, y_ticks, log = _y_scale(chart, height)
    labels = [chart.y_axis.label(tick) for tick in y_ticks]
    left = max(10 + max(len(label) for label in labels) * svg.CHARACTER_WIDTH, chart.gutter)
    names = len(chart.series) > 1
    right = width - (16 + (max(len(s.name) for s in chart.series) * svg.CHARACTER_WIDTH if names else 0))
    x, x_ticks = chart.x_scale(left, right)
    floor = height - _BOTTOM
    drawn: list[str] = []
    for tick, label in zip(y_ticks, labels, strict=True):
        drawn.append(svg.element("line", {"class": "grid", "x1": left, "x2": right, "y1": y(tick), "y2": y(tick)}))
        drawn.append(svg.text(left - 6, y(tick) + 4, label, "tick", "end"))
    drawn += _x_ticks(chart.x_axis, x, x_ticks, floor)
    drawn.append(svg.element("line", {"class": "axis", "x1": left, "x2": right, "y1": floor, "y2": floor}))
    drawn.append(svg.text(0, 11, chart.y_axis.title + (" (log scale)" if log else ""), "title"))
    drawn.append(svg.text(right, height - 6, chart.x_axis.title, "title", "end"))
    # Behind the lines.
    drawn += [_band(band, x(band.start), x(band.end), floor, right) for band in chart.bands]
    pixels = [x(value) for value in chart.x]
    heights = [[None if v is None else y(v) for v in series.values] for series in chart.series]
    for series, ys in zip(chart.series, heights, strict=True):
        drawn += _line(series, pixels, ys, floor)
    drawn += [_mark(mark, x(mark.x), floor, right) for mark in chart.marks]
    if names:
        drawn += _names(chart.series, heights, right + 7, floor)
    drawn.append(svg.element("g", {"class": "cursor"}))
    return svg.picture(
        width,
        height,
        chart.label,
        "chart wide" if width == WIDE else "chart narrow",
        drawn,
        tabindex="0",
        data_x=msgspec.json.encode([round(value, 1) for value in pixels]).decode(),
        data_y=msgspec.json.encode([[None if v is None else round(v, 1) for v in ys] for ys in heights]).decode(),
        data_top=_TOP,
        data_floor=floor,
    )


def _y_scale(chart: LineChart, height: int) -> tuple[Scale, list[float], bool]:
    values = [value for series in chart.series for value in series.values if value is not None and math.isfinite(value)]
    log = chart.y_log
    if log is None:
        positive = [value for value in values if value > 0]
        log = bool(positive) and max(positive) / statistics.median(positive) >= _LOG_FROM
    make = log_scale if log else linear_scale
    scale, ticks = make(values, float(height - _BOTTOM), float(_TOP))
    return scale, ticks, log


def _x_ticks(axis: Axis, x: Scale, ticks: list[float], floor: float) -> list[str]:
    drawn: list[str] = []
    free_from = -math.inf
    for tick in ticks:
        label = axis.label(tick)
        half = len(label) * svg.CHARACTER_WIDTH / 2
        if x(tick) - half < free_from:
            continue
        free_from = x(tick) + half + 8
        drawn.append(svg.element("line", {"class": "axis", "x1": x(tick), "x2": x(tick), "y1": floor, "y2": floor + 4}))
        drawn.append(svg.text(x(tick), floor + 17, label, "tick", "middle"))
    return drawn


def _line(series: Series, pixels: list[float], ys: list[float | None], floor: float) -> list[str]:
    points = [None if y is None else (x, y) for x, y in zip(pixels, ys, strict=True)]
    drawn: list[str] = []
    if series.kind == "area":
        present = [point for point in points if point is not None]
        if len(present) > 1:
            outline = [(present[0][0], floor), *present, (present[-1][0], floor)]
            drawn.append(svg.element("path", {"class": f"area {series.css}", "d": svg.polyline(outline) + "Z"}))
    data = svg.polyline(points)
    if data:
        drawn.append(svg.element("path", {"class": f"line {series.css}", "d": data}))
    for index, point in enumerate(points):
        alone = (index == 0 or points[index - 1] is None) and (index + 1 == len(points) or points[index + 1] is None)
        if point is not None and (series.dots or alone):
            drawn.append(
                svg.element("circle", {"class": f"dot {series.css}", "cx": point[0], "cy": point[1], "r": 3.5})
            )
    return drawn


def _mark(mark: Mark, x: float, floor: float, right: float) -> Markup:
    turned = x + 8 + len(mark.label) * svg.CHARACTER_WIDTH > right
    return svg.element(
        "g",
        {"class": "mark"},
        svg.element("line", {"x1": x, "x2": x, "y1": float(_TOP - 8), "y2": floor}),
        svg.text(
            x - 5 if turned else x + 5, _TOP - 4 if x > 200 else _TOP + 4, mark.label, "", "end" if turned else None
        ),
    )


def _band(band: Band, start: float, end: float, floor: float, right: float) -> Markup:
    turned = end + 5 + len(band.label) * svg.CHARACTER_WIDTH > right
    return svg.element(
        "g",
        {"class": "band"},
        svg.element("rect", {"x": start, "y": _TOP, "width": max(end - start, 1.0), "height": floor - _TOP}),
        svg.text(start - 5 if turned else end + 5, _TOP + 10, band.label, "", "end" if turned else None),
    )


def _names(series: Sequence[Series], heights: list[list[float | None]], x: float, floor: float) -> list[str]:
    """The series' names at the right ends of their lines, moved apart where they would overlap."""
    ends = [(next((y for y in reversed(ys) if y is not None), floor), s) for s, ys in zip(series, heights, strict=True)]
    drawn: list[str] = []
    # From the bottom up, so that the lowest name never leaves the picture.
    limit = floor + 4
    for y, one in sorted(ends, key=lambda end: -end[0]):
        place = min(y + 4, limit)
        limit = place - _LABEL_GAP
        drawn.append(svg.text(x, place, one.name, f"name {one.css}"))
    return drawn
