"""Ratios with their confidence intervals on a logarithmic axis round 1 (a forest plot)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from . import svg
from .line import NARROW, WIDE, Chart
from .scale import Scale, log_ticks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

__all__ = ["IntervalRow", "interval_chart"]

_ROW = 34
_LEAST_SPAN = 1.25


class IntervalRow(Struct, frozen=True):
    """One ratio (low, estimate, high), None where there is none, with its words and verdict."""

    name: str
    ratio: tuple[float, float, float] | None
    note: str
    css: str
    """Class of the verdict: faster, slower, same or unknown."""


def interval_chart(rows: Sequence[IntervalRow], label: str, title: str) -> Chart:
    """Each ratio as a dot with a whisker; 1 is marked as no change."""
    return Chart(_draw(rows, label, title, WIDE), _draw(rows, label, title, NARROW))


def _draw(rows: Sequence[IntervalRow], label: str, title: str, width: int) -> Markup:
    wide = width == WIDE
    row_height = _ROW if wide else _ROW + 16
    ends = [value for row in rows if row.ratio for value in row.ratio if value > 0]
    span = max([_LEAST_SPAN, *(max(value, 1 / value) for value in ends)]) * 1.06
    left, right = (230.0, width - 150.0) if wide else (6.0, width - 6.0)
    one_sided_low = all(value >= 0.98 for value in ends)
    one_sided_high = all(value <= 1.02 for value in ends)
    low = 1 / span if not one_sided_low or one_sided_high else 1 / span**0.25
    high = span if not one_sided_high or one_sided_low else span**0.25
    x = Scale(low, high, left, right, log=True)
    floor = len(rows) * row_height + 30.0
    drawn: list[str] = [svg.text(left, 12, title, "title")]
    for tick in _ticks(low, high):
        drawn.append(
            svg.element(
                "line",
                {"class": "one" if tick == 1 else "grid", "x1": x(tick), "x2": x(tick), "y1": 22.0, "y2": floor},
            )
        )
        drawn.append(svg.text(x(tick), floor + 15, "same" if tick == 1 else f"{tick:g}×", "tick", "middle"))
    for position, row in enumerate(rows):
        y = 30.0 + position * row_height + (row_height / 2 if wide else row_height - 14)
        drawn.append(svg.text(0, y + 4 if wide else y - 16, svg.fit(row.name, 220 if wide else 190), "name"))
        drawn.append(svg.text(width, y + 4 if wide else y - 16, row.note, f"note verdict {row.css}", "end"))
        if row.ratio is None or min(row.ratio) <= 0:
            continue
        a, estimate, b = (x(value) for value in row.ratio)
        data = f"M{a:.1f} {y - 5:.1f}v10M{a:.1f} {y:.1f}H{b:.1f}M{b:.1f} {y - 5:.1f}v10"
        drawn.append(svg.element("path", {"class": f"whisker {row.css}", "d": data}))
        drawn.append(svg.element("circle", {"class": f"estimate {row.css}", "cx": estimate, "cy": y, "r": 5.0}))
    return svg.picture(width, floor + 24, label, "chart wide" if wide else "chart narrow", drawn)


def _ticks(low: float, high: float) -> list[float]:
    if high / low > 3:
        return sorted({1.0, *log_ticks(low, high, 8)})
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 7)
    first, last = round((low - 1) / step + 0.5), round((high - 1) / step - 0.5)
    return [round(1 + step * index, 6) for index in range(first, last + 1)]
