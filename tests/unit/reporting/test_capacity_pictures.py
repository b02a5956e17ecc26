"""The charts of a capacity search."""

from __future__ import annotations

import json
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from perfloop.reporting import render_html, render_terminal
from perfloop.reporting.capacity_pictures import latency_by_rate, scalability

from .charts.pieces import named, parsed, words
from .sample_capacities import capacity, early_capacity, limited_capacity


def names(chart) -> list[str]:
    return [series["name"] for series in json.loads(chart.hover)["series"]]


def test_latency_by_rate_has_the_interval_as_a_band() -> None:
    chart = latency_by_rate(capacity())
    assert names(chart) == ["p99", "p50", "USL mean"]
    assert json.loads(chart.hover)["titles"][2] == "402/s, 1 of 3 met"
    root = parsed(chart.wide)
    assert len(named(root, "g", "band")) == 1
    assert {"360", "380", "400", "420", "440"} <= set(words(root))
    without = latency_by_rate(limited_capacity())
    assert names(without) == ["p99", "p50"]
    assert named(parsed(without.wide), "g", "band") == []


def test_the_law_predicts_by_littles_law_and_only_up_to_its_peak() -> None:
    record = capacity()
    fit = msgspec.structs.replace(record.usl, rate_of_one=100.0, contention=0.1, coherency=0.0)
    values = json.loads(latency_by_rate(msgspec.structs.replace(record, usl=fit)).hover)["series"][2]["values"]
    # X(N) = 100 N / (1 + 0.1 (N - 1)) is 359.6 with 5.054 in flight: 14.05 ms.
    assert values[0] == "14.1 ms"
    steep = msgspec.structs.replace(fit, coherency=0.02)
    assert names(latency_by_rate(msgspec.structs.replace(record, usl=steep))) == ["p99", "p50"]


def test_a_peak_without_an_upper_end_says_so() -> None:
    record = capacity()
    open_ended = msgspec.structs.replace(record.usl, peak_rate=(400.4, 463.6, None))
    record = msgspec.structs.replace(record, usl=open_ended)
    assert "(400 or more, 90 %)" in render_html(record)
    console = Console(file=StringIO(), width=200)
    render_terminal(record, console)
    assert "(400 or more, 90 %)" in console.file.getvalue()


def test_scalability_has_the_measured_points_and_the_law() -> None:
    chart = scalability(capacity())
    assert names(chart) == ["measured", "USL"]
    assert "predicted peak" in words(parsed(chart.wide))
    assert names(scalability(limited_capacity())) == ["measured"]


@pytest.mark.parametrize("draw", [latency_by_rate, scalability])
def test_one_point_is_no_chart(draw) -> None:
    assert draw(early_capacity()) is None
