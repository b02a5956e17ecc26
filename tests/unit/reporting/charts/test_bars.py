"""Horizontal bars."""

from __future__ import annotations

import pytest

from perfloop.reporting.charts import BeforeAfter, Segment, StackedBar, before_after, stacked_bars

from .pieces import named, parsed, words

BARS = [
    StackedBar(
        "All", "10 ms", [Segment("database", 8.0, "part-database", "8 ms"), Segment("cpu", 2.0, "part-cpu", "2 ms")]
    ),
    StackedBar("Slowest", "40 ms", [Segment("database", 40.0, "part-database", "40 ms")]),
]


def test_segments_are_as_long_as_their_time() -> None:
    for markup in (stacked_bars(BARS, "label").wide, stacked_bars(BARS, "label").narrow):
        root = parsed(markup)
        database, cpu, slowest = (float(rect.get("width", "nan")) for rect in named(root, "rect", "segment"))
        whole = float(root.get("viewBox", "").split()[2])
        assert slowest == pytest.approx(whole, abs=2)
        assert database == pytest.approx(whole * 8 / 40, abs=2)
        assert cpu == pytest.approx(whole * 2 / 40, abs=2)


def test_every_segment_says_what_it_is() -> None:
    root = parsed(stacked_bars(BARS, "label").wide)
    assert [title.text for title in root.iter("title")] == ["database: 8 ms", "cpu: 2 ms", "database: 40 ms"]
    assert "database 40 ms" in words(root)


def test_segments_follow_each_other_without_overlap() -> None:
    first, second, _ = named(parsed(stacked_bars(BARS, "label").wide), "rect", "segment")
    assert float(first.get("x", "nan")) + float(first.get("width", "nan")) < float(second.get("x", "nan"))


@pytest.mark.parametrize("bars", [[], [StackedBar("All", "0 s", [])]])
def test_no_time_is_no_segment(bars: list[StackedBar]) -> None:
    assert named(parsed(stacked_bars(bars, "label").wide), "rect") == []


def test_before_and_after_share_a_scale_and_show_the_interval() -> None:
    root = parsed(
        before_after([BeforeAfter("p99", 400.0, (50.0, 100.0, 200.0), "400 ms", "100 ms", "50–200 ms")], "gain")
    )
    now, then = (float(rect.get("width", "nan")) for rect in root.iter("rect"))
    assert then == pytest.approx(now / 4, abs=0.1)
    assert [line for line in words(root) if "ms" in line] == ["400 ms", "100 ms(50–200 ms)"]
    assert len(named(root, "path", "whisker")) == 1


def test_before_and_after_stay_within_the_picture() -> None:
    huge = BeforeAfter("capacity", 1.0, (1e6, 2e6, 3e6), "1/s", "2,000,000/s", "1,000,000–3,000,000/s")
    root = parsed(before_after([huge, BeforeAfter("p50", 0.0, (0.0, 0.0, 0.0), "0 s", "0 s", "0–0 s")], "gain"))
    width = float(root.get("viewBox", "").split()[2])
    for rect in root.iter("rect"):
        assert float(rect.get("x", "nan")) + float(rect.get("width", "nan")) <= width
