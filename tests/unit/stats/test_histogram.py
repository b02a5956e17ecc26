from __future__ import annotations

import pickle

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from perfloop.exceptions import InvalidValue
from perfloop.stats import HIGHEST_US, Histogram, _interchange

PERCENTILES = (0, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)


def latencies(count: int, seed: int = 0) -> np.ndarray:
    """Microseconds over nine orders of magnitude."""
    drawn = np.exp(np.random.default_rng(seed).normal(9, 4, count))
    return np.clip(drawn, 0, HIGHEST_US).astype(np.int64)


def oracle_of(values: np.ndarray) -> HdrHistogram:
    oracle = HdrHistogram(1, HIGHEST_US, 3)
    for value in values.tolist():
        assert oracle.record_value(value)
    return oracle


def test_empty_is_all_zero() -> None:
    histogram = Histogram()
    assert (histogram.count, histogram.min, histogram.max, histogram.mean) == (0, 0, 0, 0.0)
    assert histogram.percentiles(PERCENTILES) == [0] * len(PERCENTILES)
    assert histogram.count_above(0) == 0
    assert (histogram.overflow, histogram.underflow) == (0, 0)
    values, counts = histogram.distribution()
    assert values.size == counts.size == 0


@pytest.mark.parametrize("value", [0, 1, 2047, 2048, 2049, 4095, 4096, 123_456, 10**9, HIGHEST_US - 1, HIGHEST_US])
def test_one_value_is_every_percentile(value: int) -> None:
    histogram = Histogram()
    histogram.record(value)
    assert histogram.percentiles((0.1, 50, 100)) == [value] * 3
    assert (histogram.count, histogram.min, histogram.max) == (1, value, value)
    assert histogram.mean == pytest.approx(value, rel=5e-4)
    assert histogram == Histogram([value])


def test_layout_and_percentiles_are_hdrhistograms() -> None:
    values = latencies(3000)
    histogram, oracle = Histogram(values), oracle_of(values)
    assert np.array_equal(histogram._counts, np.frombuffer(oracle.counts, dtype=np.int64))
    for q in PERCENTILES[1:]:
        assert histogram.percentile(q) == min(oracle.get_value_at_percentile(q), histogram.max)
    assert histogram.mean == pytest.approx(oracle.get_mean_value())
    assert oracle.get_lowest_equivalent_value(histogram.min) == oracle.get_min_value()


def test_no_percentile_exceeds_the_maximum() -> None:
    histogram = Histogram([1_000_001])
    assert oracle_of(np.array([1_000_001])).get_value_at_percentile(100) > 1_000_001
    assert histogram.percentile(99.9) == 1_000_001


def test_single_and_vectorised_recording_agree() -> None:
    values = latencies(5000, seed=1)
    one_by_one = Histogram()
    for value in values.tolist():
        one_by_one.record(value)
    assert one_by_one == Histogram(values)


@pytest.mark.parametrize("count", [8_191, 8_192, 20_000])
def test_both_ways_to_fill_agree(count: int) -> None:
    values = latencies(count, seed=2)
    by_parts = Histogram()
    for part in np.array_split(values, 50):
        by_parts.record_many(part)
    assert by_parts == Histogram(values)
    assert by_parts.count == count


@pytest.mark.parametrize("record", [lambda h, v: h.record(v), lambda h, v: h.record_many(np.array([v]))])
def test_values_out_of_range_are_clamped_and_counted(record: object) -> None:
    histogram = Histogram()
    record(histogram, HIGHEST_US + 1)  # type: ignore[operator]
    record(histogram, 2**62)  # type: ignore[operator]
    record(histogram, -5)  # type: ignore[operator]
    assert (histogram.count, histogram.overflow, histogram.underflow) == (3, 2, 1)
    assert (histogram.min, histogram.max) == (0, HIGHEST_US)
    assert histogram.percentiles((1, 99)) == [0, HIGHEST_US]


def test_float_microseconds_are_cut_and_infinity_is_above_an_hour() -> None:
    histogram = Histogram(np.array([0.4, 1.9, np.inf, 1e300]))
    assert (histogram.min, histogram.percentile(50), histogram.overflow, histogram.count) == (0, 1, 2, 4)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint64, np.float32])
def test_any_number_type_and_shape(dtype: type) -> None:
    assert Histogram(np.array([[1, 2], [3, 100]], dtype=dtype)) == Histogram([1, 2, 3, 100])


@pytest.mark.parametrize("wrong", [np.array([1.0, np.nan]), np.array(["1"]), np.array([True]), np.array([None])])
def test_what_is_no_duration_is_refused_whole(wrong: np.ndarray) -> None:
    histogram = Histogram()
    with pytest.raises(InvalidValue, match="Expected"):
        histogram.record_many(wrong)
    assert histogram.count == 0


def test_recording_nothing() -> None:
    histogram = Histogram()
    histogram.record_many(np.array([], dtype=np.int64))
    assert histogram == Histogram() == Histogram([])


@pytest.mark.parametrize("q", [-0.1, 100.1, float("nan")])
def test_percentile_out_of_range(q: float) -> None:
    with pytest.raises(InvalidValue, match="from 0 to 100"):
        Histogram([1]).percentile(q)


def test_merge_adds_everything() -> None:
    left, right = Histogram([5, HIGHEST_US + 1]), Histogram([-1, 70_000])
    left.merge(right)
    assert left == Histogram([5, HIGHEST_US + 1, -1, 70_000])
    assert right == Histogram([-1, 70_000])


def test_merging_an_empty_one_changes_nothing() -> None:
    histogram = Histogram([10, 20])
    histogram.merge(Histogram())
    assert histogram == Histogram([10, 20])
    assert (histogram.min, histogram.max) == (10, 20)


def test_counts_within_and_sum() -> None:
    histogram = Histogram([0, 10, 10, 30, 999_000])
    assert histogram.counts_within((0, 9, 10, 29, 30, 1_000_000, 2**40)) == [1, 1, 3, 3, 4, 5, 5, 5]
    assert histogram.sum == pytest.approx(999_050, rel=5e-4)
    assert Histogram().counts_within((0, 10)) == [0, 0, 0]
    assert Histogram().sum == 0


def test_count_above() -> None:
    histogram = Histogram([10, 20, 30, 1_000_000])
    assert [histogram.count_above(us) for us in (-1, 0, 9, 10, 29, 30, 999_000, 1_000_000, 2**40)] == [
        4,
        4,
        4,
        3,
        2,
        1,
        1,
        0,
        0,
    ]


def test_distribution_sums_up() -> None:
    values = latencies(1000, seed=3)
    histogram = Histogram(values)
    ends, counts = histogram.distribution()
    assert counts.sum() == 1000
    assert (np.diff(ends) > 0).all()
    assert ends[-1] == values.max()


def test_copy_is_independent_and_reset_forgets() -> None:
    histogram = Histogram([1, 2, HIGHEST_US + 1])
    twin = histogram.copy()
    histogram.reset()
    assert histogram == Histogram()
    assert twin.count == 3
    histogram.record(7)
    assert histogram.percentile(50) == 7


def test_pickle_keeps_everything() -> None:
    histogram = Histogram([1, 50_000, HIGHEST_US + 9, -1])
    twin = pickle.loads(pickle.dumps(histogram))
    assert twin == histogram
    twin.record(3)
    assert twin.count == 5
    assert len(pickle.dumps(histogram)) < 2000


def test_comparing_with_something_else() -> None:
    assert Histogram() != 0
    with pytest.raises(TypeError, match="unhashable"):
        hash(Histogram())


def test_repr_tells_the_figures() -> None:
    assert repr(Histogram([1, 2, 3])) == "Histogram(count=3, p50=2, p99=3, max=3)"


def test_integers_of_numpy_are_recorded_and_fractions_refused() -> None:
    histogram = Histogram()
    histogram.record(np.int64(5))  # type: ignore[arg-type]
    assert (histogram.count, histogram.max) == (1, 5)
    for wrong in (1.5, float("nan"), "5", None):
        with pytest.raises(InvalidValue, match="whole microseconds"):
            histogram.record(wrong)  # type: ignore[arg-type]
    assert (histogram.count, histogram.overflow, histogram.max) == (1, 0, 5)


def test_counting_above_takes_any_number() -> None:
    histogram = Histogram([1, 5, 9])
    assert [histogram.count_above(limit) for limit in (-1.0, 4.5, 5.0, float("inf"))] == [3, 2, 1, 0]
    with pytest.raises(InvalidValue, match="Expected a duration"):
        histogram.count_above(float("nan"))


def test_counts_never_wrap_round() -> None:
    histogram = Histogram([1, 3_600_000_000])
    for _ in range(60):
        histogram.merge(histogram.copy())
    with pytest.raises(InvalidValue, match=r"fewer than 2\^62"):
        histogram.merge(histogram.copy())
    assert histogram.count == 1 << 61
    assert histogram.mean == pytest.approx(1_800_000_000, rel=1e-3)
    assert histogram.percentiles((0, 50, 100)) == [1, 1, 3_600_000_000]
    assert Histogram.decode(histogram.encode()).count == 1 << 61


def test_a_histogram_of_impossible_counts_is_refused() -> None:
    counts = np.zeros(23_552, dtype=np.int64)
    counts[:40] = (1 << 62) - 1
    with pytest.raises(InvalidValue, match=r"fewer than 2\^62"):
        Histogram.decode(_interchange.encode(counts, 40))
