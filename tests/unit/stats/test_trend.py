from __future__ import annotations

import math
import random

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.stats import MINIMUM_POINTS, fit_trend, theil_sen

TENS = list(range(10))


def autoregressive(share: float, points: int, generator: random.Random) -> list[float]:
    """Noise in which each value keeps so much of the one before."""
    value, values = 0.0, []
    for _ in range(points):
        value = share * value + generator.gauss(0, 1)
        values.append(value)
    return values


def test_a_straight_line_has_its_slope() -> None:
    trend = fit_trend(TENS, [3.0 * x + 1 for x in TENS])
    assert trend is not None
    assert (trend.low, trend.slope, trend.high) == (3.0, 3.0, 3.0)
    assert trend.p_value < 1e-4
    assert trend.inflation == 1


def test_outliers_do_not_move_the_slope() -> None:
    y = [2.0 * x for x in range(20)]
    y[3], y[7], y[15] = 1e9, -1e9, 1e9
    assert theil_sen(range(20), y) == pytest.approx(2, rel=0.05)


def test_the_statistic_is_that_of_the_textbook() -> None:
    """S and its variance as Kendall (1975) defines them, counted by hand."""
    y = [10, 22, 21, 30, 22, 30, 40, 40]
    # 28 pairs: 3 are equal, 23 rise, 2 fall: S = 21. Var S = (8·7·21 − 3·(2·1·9)) / 18 = 62.33.
    trend = fit_trend(range(8), y)
    assert trend is not None
    z = (21 - 1) / math.sqrt((8 * 7 * 21 - 3 * 18) / 18 * trend.inflation)
    assert trend.p_value == pytest.approx(math.erfc(z / math.sqrt(2)))


def test_values_that_are_all_equal_have_no_trend() -> None:
    trend = fit_trend(TENS, [5.0] * 10)
    assert trend is not None
    assert (trend.slope, trend.low, trend.high, trend.p_value) == (0, 0, 0, 1)


def test_too_few_points_say_nothing() -> None:
    assert fit_trend(range(MINIMUM_POINTS - 1), range(MINIMUM_POINTS - 1)) is None


def test_points_at_one_x_say_nothing() -> None:
    assert fit_trend([4] * 10, TENS) is None
    assert theil_sen([4, 4], [1, 2]) is None
    assert theil_sen([], []) is None


def test_samples_that_resemble_their_neighbours_are_believed_less() -> None:
    generator = random.Random(1)
    resembling = [
        trend.inflation for _ in range(50) if (trend := fit_trend(range(60), autoregressive(0.8, 60, generator)))
    ]
    independent = [
        trend.inflation for _ in range(50) if (trend := fit_trend(range(60), autoregressive(0, 60, generator)))
    ]
    assert sorted(resembling)[25] > 2 * sorted(independent)[25]


@pytest.mark.parametrize(("share", "at_most"), [(0.0, 0.09), (0.6, 0.2)])
def test_noise_is_seldom_called_a_trend(share: float, at_most: float) -> None:
    """The correction for autocorrelation works: without it, 0.6 would be a trend in 40 % of all series."""
    generator = random.Random(2)
    trends = [fit_trend(range(100), autoregressive(share, 100, generator)) for _ in range(150)]
    assert sum(trend is not None and trend.p_value < 0.05 for trend in trends) / 150 <= at_most


def test_the_interval_holds_the_slope_about_as_often_as_it_says() -> None:
    generator = random.Random(3)
    held = 0
    for _ in range(150):
        y = [2 * x + noise for x, noise in enumerate(autoregressive(0.4, 60, generator))]
        trend = fit_trend(range(60), y, confidence=0.95)
        assert trend is not None
        held += trend.low <= 2 <= trend.high
    assert held / 150 >= 0.85


@pytest.mark.parametrize(
    ("x", "y", "confidence"),
    [
        ([1, 2], [1], 0.95),
        ([2, 1], [1, 2], 0.95),
        ([1, 2], [1, math.nan], 0.95),
        ([1, math.inf], [1, 2], 0.95),
        ([1, 2], [1, 2], 1.0),
        ([1, 2], [1, 2], 0.0),
    ],
)
def test_what_is_no_series_is_refused(x: list[float], y: list[float], confidence: float) -> None:
    with pytest.raises(InvalidValue):
        fit_trend(x, y, confidence=confidence)
