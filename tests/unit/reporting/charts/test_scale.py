"""Scales and ticks at round figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.reporting.charts.scale import Scale, linear_scale, log_scale, log_ticks, nice_ticks, time_ticks


@pytest.mark.parametrize(
    ("top", "most", "ticks"),
    [
        (38.0, 5, [0, 10, 20, 30, 40]),
        (40.0, 5, [0, 10, 20, 30, 40]),
        (1.0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (412.0, 5, [0, 100, 200, 300, 400, 500]),
        (0.004, 4, [0, 0.001, 0.002, 0.003, 0.004]),
    ],
)
def test_linear_ticks_are_round(top: float, most: int, ticks: list[float]) -> None:
    assert nice_ticks(top, most) == pytest.approx(ticks)


@given(st.floats(min_value=1e-9, max_value=1e15), st.integers(min_value=2, max_value=12))
def test_linear_ticks_hold_every_value_and_are_few(top: float, most: int) -> None:
    ticks = nice_ticks(top, most)
    assert ticks[0] == 0
    assert ticks[-1] >= top * (1 - 1e-8)
    assert 2 <= len(ticks) <= most + 1
    step = ticks[1]
    assert round(step / 10 ** math.floor(math.log10(step * 1.0001))) in (1, 2, 5)


@pytest.mark.parametrize(
    ("seconds", "most", "ticks"),
    [
        (7.0, 10, [0, 1, 2, 3, 4, 5, 6, 7]),
        (29.0, 10, [0, 5, 10, 15, 20, 25]),
        (600.0, 5, [0, 120, 240, 360, 480, 600]),
        (0.0, 5, [0]),
    ],
)
def test_time_ticks_are_those_of_clocks(seconds: float, most: int, ticks: list[float]) -> None:
    assert time_ticks(seconds, most) == ticks


@given(st.floats(min_value=0, max_value=1e8), st.integers(min_value=2, max_value=12))
def test_time_ticks_are_few_and_within(seconds: float, most: int) -> None:
    ticks = time_ticks(seconds, most)
    assert len(ticks) <= most + 1
    assert all(0 <= tick <= seconds for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 10.0, [1, 2, 5, 10]),
        (1.0, 100.0, [1, 3, 10, 30, 100]),
        (1.0, 1e5, [1, 10, 100, 1_000, 1e4, 1e5]),
        (1.0, 1e9, [1, 1e2, 1e4, 1e6, 1e8]),
    ],
)
def test_log_ticks_thin_out_with_the_span(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high, 6) == pytest.approx(ticks)


@given(st.lists(st.floats(min_value=1e-6, max_value=1e12), min_size=1))
def test_a_log_scale_holds_every_value(values: list[float]) -> None:
    scale, ticks = log_scale(values, 300.0, 0.0)
    assert scale.low <= min(values) * (1 + 1e-8)
    assert scale.high >= max(values) * (1 - 1e-8)
    assert ticks
    assert all(0 <= scale(tick) <= 300 for tick in ticks)


@given(st.lists(st.floats(min_value=0, max_value=1e12)))
def test_a_linear_scale_starts_at_zero_and_rises(values: list[float]) -> None:
    scale, _ = linear_scale(values, 300.0, 0.0)
    assert scale(0) == 300
    pixels = [scale(value) for value in sorted(values)]
    assert pixels == sorted(pixels, reverse=True)
    assert all(0 <= pixel <= 300 for pixel in pixels)


def test_what_lies_outside_is_moved_to_the_edge() -> None:
    assert Scale(0, 10, 0, 100)(20) == 100
    assert Scale(1, 100, 0, 100, log=True)(0) == 0
    assert Scale(1, 100, 0, 100, log=True)(10) == pytest.approx(50)


@pytest.mark.parametrize("values", [[], [0.0], [math.nan], [5.0, 5.0]])
def test_scales_of_nothing_and_of_one_value(values: list[float]) -> None:
    for make in (linear_scale, log_scale):
        scale, ticks = make(values, 300.0, 0.0)
        assert scale.high > scale.low
        assert len(ticks) >= 2
