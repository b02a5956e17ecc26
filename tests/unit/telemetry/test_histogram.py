from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import DEFAULT_BUCKETS, Histogram


def test_empty() -> None:
    snapshot = Histogram().snapshot()
    assert (snapshot.count, snapshot.sum, snapshot.mean, snapshot.percentile(99)) == (0, 0, 0, 0)
    assert snapshot.cumulative() == [0] * len(DEFAULT_BUCKETS)


def test_buckets_are_exact_at_their_bounds() -> None:
    histogram = Histogram()
    for bound in DEFAULT_BUCKETS:
        histogram.observe(bound)
        histogram.observe(math.nextafter(bound, math.inf))
    histogram.observe(1e9)
    snapshot = histogram.snapshot()
    assert snapshot.cumulative() == [1 + 2 * index for index in range(len(DEFAULT_BUCKETS))]
    assert snapshot.count == 2 * len(DEFAULT_BUCKETS) + 1


def test_count_sum_and_mean() -> None:
    histogram = Histogram()
    for value in (0.25, 0.5, 0.75):
        histogram.observe(value)
    snapshot = histogram.snapshot()
    assert (snapshot.count, snapshot.sum, snapshot.mean) == (3, 1.5, 0.5)


@pytest.mark.parametrize("value", [2e-6, 0.0004, 0.0123, 1.7, 59.0, 3000.0])
def test_percentiles_within_a_cell(value: float) -> None:
    histogram = Histogram()
    histogram.observe(value)
    assert value <= histogram.snapshot().percentile(50) <= value * 2 ** (1 / 32) * 1.0001


def test_percentiles_by_rank() -> None:
    histogram = Histogram()
    for milliseconds in range(1, 101):
        histogram.observe(milliseconds / 1000)
    snapshot = histogram.snapshot()
    assert [snapshot.percentile(q) for q in (0, 50, 99, 100)] == pytest.approx([0.001, 0.05, 0.099, 0.1], rel=0.022)
    assert snapshot.percentile(50) <= snapshot.percentile(90) <= snapshot.percentile(100)


@pytest.mark.parametrize("q", [-1, 101, math.nan])
def test_percentile_out_of_range(q: float) -> None:
    with pytest.raises(InvalidValue, match="from 0 to 100"):
        Histogram().snapshot().percentile(q)


def test_zero_negative_and_huge_values_are_counted() -> None:
    histogram = Histogram()
    for value in (0.0, -3.0, 1e12):
        histogram.observe(value)
    snapshot = histogram.snapshot()
    assert snapshot.count == 3
    assert snapshot.cumulative() == [2] * len(DEFAULT_BUCKETS)
    assert snapshot.percentile(100) == snapshot.bounds[-1]


def test_infinity_is_counted_and_its_sum_infinite() -> None:
    histogram = Histogram()
    histogram.observe(1)
    histogram.observe(math.inf)
    assert histogram.snapshot().count == 2
    assert histogram.snapshot().sum == math.inf


def test_nan_is_refused() -> None:
    histogram = Histogram()
    with pytest.raises(InvalidValue, match="Expected a number"):
        histogram.observe(math.nan)
    assert histogram.snapshot().count == 0


def test_own_buckets_in_another_unit() -> None:
    histogram = Histogram([100, 1_000, 10_000, math.inf])
    for size in (1, 100, 101, 9_999, 123_456):
        histogram.observe(size)
    assert histogram.buckets == (100, 1_000, 10_000)
    assert histogram.snapshot().cumulative() == [2, 3, 4]


def test_buckets_at_and_below_zero() -> None:
    histogram = Histogram([-1, 0, 1])
    for value in (-2, -1, -0.5, 0, 0.5, 2):
        histogram.observe(value)
    assert histogram.snapshot().cumulative() == [2, 4, 5]
    only_negative = Histogram([-5, -1])
    only_negative.observe(-3)
    assert only_negative.snapshot().cumulative() == [0, 1]


@pytest.mark.parametrize("buckets", [[], [math.inf], [1, 1], [2, 1], [math.nan], [-math.inf, 1]])
def test_bounds_must_rise(buckets: list[float]) -> None:
    with pytest.raises(InvalidValue, match="bucket bounds"):
        Histogram(buckets)
