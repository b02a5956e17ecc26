"""Rows of shares over time."""

from __future__ import annotations

import pytest

from perfloop.reporting.charts import Timeline, TimelineRow, timeline

from .pieces import named, parsed, words

CHART = Timeline(
    label="two breakers",
    rows=[TimelineRow("a", "12 in vain", [0.0, 0.5, 1.0, 1.0], "chosen"), TimelineRow("b", "none", [0.0] * 4)],
    steps=4,
    spans=[(1.0, 3.0)],
    span_name="shaded: outages",
    ticks=[(0.0, "0 s"), (4.0, "1 min")],
)


def test_bars_are_as_long_as_they_last_and_as_tall_as_their_share() -> None:
    for markup in (timeline(CHART).wide, timeline(CHART).narrow):
        root = parsed(markup)
        whole = float(root.get("viewBox", "").split()[2])
        half, full = named(root, "rect", "open")
        assert float(half.get("width", "nan")) == pytest.approx(whole / 4, abs=0.2)
        assert float(full.get("width", "nan")) == pytest.approx(whole / 2, abs=0.2)
        assert float(half.get("height", "nan")) == pytest.approx(float(full.get("height", "nan")) / 2)
        [span] = named(root, "rect", "outage")
        assert float(span.get("x", "nan")) == pytest.approx(whole / 4, abs=0.2)


def test_a_page_has_room_for_remarks_and_a_phone_has_not() -> None:
    assert set(words(parsed(timeline(CHART).wide))) == {
        "shaded: outages", "a", "12 in vain", "b", "none", "0 s", "1 min",
    }  # fmt: skip
    assert "12 in vain" not in words(parsed(timeline(CHART).narrow))
