from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.stats import fit_trend, theil_sen

series = st.lists(st.integers(-(10**6), 10**6), min_size=8, max_size=30)


@given(series)
@settings(max_examples=80, deadline=None)
def test_the_slope_lies_in_its_interval(y: list[int]) -> None:
    trend = fit_trend(range(len(y)), y)
    assert trend is not None
    assert trend.low <= trend.slope <= trend.high
    assert 0 <= trend.p_value <= 1
    assert trend.inflation >= 1


@given(series)
@settings(max_examples=60, deadline=None)
def test_upside_down_the_trend_is_the_opposite(y: list[int]) -> None:
    there, back = fit_trend(range(len(y)), y), fit_trend(range(len(y)), [-value for value in y])
    assert there is not None
    assert back is not None
    assert back.slope == pytest.approx(-there.slope)
    assert back.p_value == pytest.approx(there.p_value)
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))


@given(series, st.integers(-1000, 1000), st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_a_line_added_adds_its_slope(y: list[int], slope: int, spacing: int) -> None:
    x = [spacing * place for place in range(len(y))]
    before, after = theil_sen(x, y), theil_sen(x, [value + slope * at for at, value in zip(x, y, strict=True)])
    assert before is not None
    assert after == pytest.approx(before + slope, abs=1e-6)


@given(series, st.floats(0.1, 0.9), st.floats(0.05, 0.09))
@settings(max_examples=40, deadline=None)
def test_more_confidence_is_a_wider_interval(y: list[int], confidence: float, more: float) -> None:
    narrow = fit_trend(range(len(y)), y, confidence=confidence)
    wide = fit_trend(range(len(y)), y, confidence=confidence + more)
    assert narrow is not None
    assert wide is not None
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high
