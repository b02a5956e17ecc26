"""Charts as SVG text: small pure functions from figures to markup, without a chart library."""

from __future__ import annotations

from .bars import BeforeAfter, Segment, StackedBar, before_after, stacked_bars
from .intervals import IntervalRow, interval_chart
from .line import Axis, Band, Chart, LineChart, Mark, Series, line_chart
from .timeline import Timeline, TimelineRow, timeline

__all__ = [
    "Axis",
    "Band",
    "BeforeAfter",
    "Chart",
    "IntervalRow",
    "LineChart",
    "Mark",
    "Segment",
    "Series",
    "StackedBar",
    "Timeline",
    "TimelineRow",
    "before_after",
    "interval_chart",
    "line_chart",
    "stacked_bars",
    "timeline",
]
