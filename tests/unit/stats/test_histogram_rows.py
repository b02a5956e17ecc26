from __future__ import annotations

import numpy as np
import pytest

from perfloop.stats import Histogram, HistogramRows


def test_each_row_is_the_histogram_of_its_own_values() -> None:
    generator = np.random.default_rng(3)
    rows = generator.integers(0, 7, 5000)
    values = generator.gamma(2, 30_000, 5000).astype(np.int64)
    filled = HistogramRows(10)
    for part in np.array_split(np.arange(5000), 7):
        filled.record_many(rows[part], values[part])
    for row in range(10):
        assert filled.histogram(row) == Histogram(values[rows == row])


def test_rows_beyond_the_last_share_it() -> None:
    filled = HistogramRows(3)
    filled.record_many(np.array([0, 2, 5, 900]), np.array([1, 2, 3, 4]))
    assert filled.histogram(2) == Histogram([2, 3, 4])
    assert filled.histogram(1) == Histogram()


def test_nothing_is_recorded_of_nothing() -> None:
    filled = HistogramRows(3)
    filled.record_many(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    assert filled.histogram(0) == Histogram()


def test_what_was_counted_earlier_can_be_subtracted() -> None:
    generator = np.random.default_rng(4)
    rows = generator.integers(0, 7, 4000)
    values = generator.gamma(2, 30_000, 4000).astype(np.int64)
    filled = HistogramRows(10)
    filled.record_many(rows[:1000], values[:1000])
    filled.record_many(np.array([8]), np.array([5]))
    earlier = filled.counts()
    filled.record_many(rows[1000:], values[1000:])
    filled.subtract(earlier)
    for row in range(7):
        left, expected = filled.histogram(row), Histogram(values[1000:][rows[1000:] == row])
        assert [*map(list, left.counts()[:2])] == [*map(list, expected.counts()[:2])]
        assert (left.min, left.max) == pytest.approx((expected.min, expected.max), rel=1e-3)
    assert filled.histogram(8) == Histogram()
