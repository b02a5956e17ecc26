from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfloop.stats import HIGHEST_US, Histogram

durations = st.one_of(st.integers(0, 5_000), st.integers(0, HIGHEST_US))
any_integers = st.integers(-(2**62), 2**62)
percentiles = st.floats(0, 100)


@given(st.lists(durations), st.lists(durations))
def test_merge_is_the_histogram_of_both(a: list[int], b: list[int]) -> None:
    merged = Histogram(a)
    merged.merge(Histogram(b))
    assert merged == Histogram(a + b)


@given(st.lists(durations, min_size=1), st.lists(percentiles, min_size=2))
def test_percentiles_rise(values: list[int], qs: list[float]) -> None:
    found = Histogram(values).percentiles(sorted(qs))
    assert found == sorted(found)
    assert min(values) <= found[0]
    assert found[-1] <= max(values)


@given(st.lists(durations, min_size=1), st.floats(0.001, 100))
def test_percentiles_are_exact_to_three_digits(values: list[int], q: float) -> None:
    exact = sorted(values)[max(int(q * len(values) / 100 + 0.5), 1) - 1]
    found = Histogram(values).percentile(q)
    assert exact <= found <= exact * 1.001 + 1


@given(st.lists(any_integers))
def test_nothing_is_lost_and_both_ways_agree(values: list[int]) -> None:
    one_by_one = Histogram()
    for value in values:
        one_by_one.record(value)
    assert one_by_one.count == len(values)
    assert one_by_one.overflow == sum(value > HIGHEST_US for value in values)
    assert one_by_one.underflow == sum(value < 0 for value in values)
    assert one_by_one == Histogram(np.array(values, dtype=np.int64))


@given(st.lists(durations, min_size=1))
def test_extremes_are_exact_and_the_mean_close(values: list[int]) -> None:
    histogram = Histogram(values)
    assert (histogram.min, histogram.max) == (min(values), max(values))
    mean = sum(values) / len(values)
    assert abs(histogram.mean - mean) <= mean * 0.0005 + 1e-6


@given(st.lists(durations), st.integers(0, HIGHEST_US))
def test_count_above_is_off_by_equivalent_values_only(values: list[int], limit: int) -> None:
    found = Histogram(values).count_above(limit)
    assert sum(value > limit * 1.001 + 1 for value in values) <= found <= sum(value > limit for value in values)


@given(st.lists(durations))
def test_interchange_keeps_every_percentile_but_the_exact_extremes(values: list[int]) -> None:
    histogram = Histogram(values)
    twin = Histogram.decode(histogram.encode())
    assert twin.count == len(values)
    assert np.array_equal(twin._counts, histogram._counts)
    assert Histogram.decode(twin.encode()) == twin
    for q in (50, 99, 100):
        assert histogram.percentile(q) <= twin.percentile(q) <= histogram.percentile(q) * 1.001 + 1


@given(st.lists(any_integers), st.lists(any_integers))
def test_what_was_counted_earlier_can_be_subtracted(earlier: list[int], later: list[int]) -> None:
    histogram = Histogram(earlier)
    counts = histogram.counts()
    histogram.record_many(np.array(later, dtype=np.int64))
    histogram.subtract(counts)
    expected = Histogram(later)
    assert (histogram.count, histogram.overflow, histogram.underflow) == (
        expected.count,
        expected.overflow,
        expected.underflow,
    )
    for found, exact in zip(histogram.percentiles((0, 50, 100)), expected.percentiles((0, 50, 100)), strict=True):
        assert abs(found - exact) <= exact * 0.001 + 1

    copied = Histogram()
    copied.add_counts(counts)
    assert copied.count == len(earlier)
