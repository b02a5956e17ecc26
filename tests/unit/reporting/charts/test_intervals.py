"""Ratios with their intervals."""

from __future__ import annotations

import pytest

from perfloop.reporting.charts import IntervalRow, interval_chart

from .pieces import named, parsed, words

ROWS = [
    IntervalRow("latency p99", (0.15, 0.17, 0.19), "faster", "faster"),
    IntervalRow("capacity", (5.2, 5.5, 5.8), "faster", "faster"),
    IntervalRow("errors", None, "not enough data", "unknown"),
]


def test_a_dot_stands_on_its_side_of_the_line_of_no_change() -> None:
    for markup in (interval_chart(ROWS, "label", "B ÷ A").wide, interval_chart(ROWS, "label", "B ÷ A").narrow):
        root = parsed(markup)
        (same,) = named(root, "line", "one")
        middle = float(same.get("x1", "nan"))
        below, above = (float(dot.get("cx", "nan")) for dot in named(root, "circle", "estimate"))
        assert below < middle < above
        assert {"same", "latency p99", "capacity", "errors", "not enough data", "B ÷ A"} <= set(words(root))


def test_a_row_without_a_ratio_has_no_dot() -> None:
    root = parsed(interval_chart(ROWS, "label", "B ÷ A").wide)
    assert len(named(root, "circle", "estimate")) == 2
    assert len(named(root, "path", "whisker")) == 2


@pytest.mark.parametrize(
    "ratios",
    [
        [],
        [None],
        [(1.0, 1.0, 1.0)],
        [(0.0, 0.5, 1.0)],
        [(0.98, 0.99, 1.01)],
        [(1e-6, 1e-5, 1e-4)],
        [(100.0, 200.0, 300.0), (0.5, 0.6, 0.7)],
    ],
)
def test_any_ratios_stay_within_the_picture(ratios: list[tuple[float, float, float] | None]) -> None:
    rows = [IntervalRow("metric " * 20, ratio, "slower", "slower") for ratio in ratios]
    for markup in (interval_chart(rows, "label", "B ÷ A").wide, interval_chart(rows, "label", "B ÷ A").narrow):
        root = parsed(markup)
        width = float(root.get("viewBox", "").split()[2])
        assert len(named(root, "line", "one")) == 1
        for dot in named(root, "circle", "estimate"):
            assert 0 <= float(dot.get("cx", "nan")) <= width
        assert 2 <= sum("×" in line or line == "same" for line in words(root)) <= 10
