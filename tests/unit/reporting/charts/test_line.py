"""Line and area charts."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from perfloop.reporting.charts import Axis, Band, LineChart, Mark, Series, line_chart
from perfloop.reporting.charts.line import NARROW, WIDE
from perfloop.reporting.charts.scale import Scale

from .pieces import named, parsed, words


def chart(**changes: Any) -> LineChart:
    options: dict[str, Any] = {
        "label": "a chart",
        "x": [0.0, 1.0, 2.0],
        "series": [Series("p99", [10.0, None, 30.0], "series-p99"), Series("p50", [1.0, 2.0, 3.0], "series-p50")],
        "x_axis": Axis("time", lambda value: f"{value:g} s"),
        "y_axis": Axis("latency", lambda value: f"{value:g} ms"),
        "titles": ["zero", "one", "two"],
        "x_scale": lambda start, end: (Scale(0, 2, start, end), [0.0, 1.0, 2.0]),
        "y_log": False,
    }
    return LineChart(**(options | changes))


def test_both_drawings_show_every_series_axis_and_unit() -> None:
    drawn = line_chart(chart())
    for markup, width in ((drawn.wide, WIDE), (drawn.narrow, NARROW)):
        root = parsed(markup)
        assert root.get("viewBox", "").split()[2] == str(width)
        assert {line.get("class") for line in named(root, "path", "line")} == {"line series-p99", "line series-p50"}
        assert {"p99", "p50", "latency", "time", "0 s", "2 s", "0 ms", "30 ms"} <= set(words(root))


def test_all_lies_within_the_picture() -> None:
    for markup in (line_chart(chart()).wide, line_chart(chart()).narrow):
        root = parsed(markup)
        _, _, width, height = (float(part) for part in root.get("viewBox", "").split())
        for text in root.iter("text"):
            assert 0 <= float(text.get("x", "nan")) <= width
            assert 0 <= float(text.get("y", "nan")) <= height
        for x in json.loads(root.get("data-x", "")):
            assert 0 <= x <= width


@pytest.mark.parametrize(("start", "end"), [(0.5, 1.0), (1.8, 2.0), (0.0, 0.0)])
def test_a_band_spans_its_values_and_stays_within_the_picture(start: float, end: float) -> None:
    drawn = line_chart(chart(bands=[Band(start, end, "capacity")]))
    for markup in (drawn.wide, drawn.narrow):
        root = parsed(markup)
        (band,) = named(root, "g", "band")
        rect, text = band
        width = float(root.get("viewBox", "").split()[2])
        assert float(rect.get("width", "0")) >= 1
        assert 0 < float(rect.get("x", "nan")) < float(rect.get("x", "nan")) + float(rect.get("width", "nan")) < width
        assert text.text == "capacity"
        assert 0 < float(text.get("x", "nan")) < width


def test_hovering_has_the_place_and_the_words_of_every_point() -> None:
    drawn = line_chart(chart())
    hover = json.loads(drawn.hover)
    assert hover["titles"] == ["zero", "one", "two"]
    assert [series["values"] for series in hover["series"]] == [["10 ms", None, "30 ms"], ["1 ms", "2 ms", "3 ms"]]
    root = parsed(drawn.wide)
    xs, ys = json.loads(root.get("data-x", "")), json.loads(root.get("data-y", ""))
    assert xs == sorted(xs)
    assert [len(series) for series in ys] == [3, 3]
    assert ys[0][1] is None
    assert ys[0][2] < ys[0][0] < ys[1][0], "higher values stand higher"


def test_a_gap_interrupts_the_line_and_a_lone_point_is_a_dot() -> None:
    root = parsed(line_chart(chart()).wide)
    p99 = next(line for line in named(root, "path", "line") if "series-p99" in line.get("class", ""))
    assert p99.get("d", "").count("M") == 2
    assert len(named(root, "circle", "series-p99")) == 2
    assert named(root, "circle", "series-p50") == []


@pytest.mark.parametrize(
    ("values", "log"), [([1.0, 2.0, 30.0], False), ([1.0, 1.0, 30.0], True), ([0.0, 0.0, 0.0], False)]
)
def test_the_axis_is_logarithmic_where_one_value_towers(values: list[float], log: bool) -> None:
    drawn = line_chart(chart(series=[Series("x", values, "c")], y_log=None))
    assert ("latency (log scale)" in words(parsed(drawn.wide))) == log


def test_an_area_is_closed_at_the_floor() -> None:
    root = parsed(line_chart(chart(series=[Series("rate", [1.0, 2.0, 3.0], "series-rate", "area")])).wide)
    (area,) = named(root, "path", "area")
    assert area.get("d", "").endswith("Z")
    assert named(root, "path", "line")
    assert "rate" not in words(root), "a single series needs no name"


def test_a_mark_stands_at_its_x() -> None:
    root = parsed(line_chart(chart(marks=[Mark(2.0, "knee")])).wide)
    (mark,) = named(root, "g", "mark")
    line = mark.find("line")
    assert line is not None
    assert float(line.get("x1", "nan")) == json.loads(root.get("data-x", ""))[2]
    assert "knee" in words(root)
    text = mark.find("text")
    assert text is not None
    assert text.get("text-anchor") == "end", "turned to the left at the right edge"


def test_charts_below_each_other_line_up() -> None:
    roots = [parsed(line_chart(chart(gutter=80.0, y_axis=Axis("y", label))).wide) for label in (str, lambda _: "x" * 9)]
    assert len({json.loads(root.get("data-x", ""))[0] for root in roots}) == 1


def test_names_of_series_do_not_overlap() -> None:
    series = [Series(f"s{number}", [5.0, 5.0, 5.0], "c") for number in range(4)]
    root = parsed(line_chart(chart(series=series)).wide)
    ys = sorted(float(text.get("y", "nan")) for text in named(root, "text", "name"))
    assert all(below - above >= 12 for above, below in itertools.pairwise(ys))
