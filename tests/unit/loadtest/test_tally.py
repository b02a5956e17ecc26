from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest.tally import BUCKETS, Tally, tally
from perfloop.stats import Histogram


def test_buckets_rise_and_hold_those_of_the_conventions() -> None:
    assert list(BUCKETS) == sorted(set(BUCKETS))
    assert {0.005, 0.1, 10.0} <= set(BUCKETS)


def test_nothing_measured() -> None:
    assert tally(Histogram()) == Tally() == tally(Histogram(), Histogram())


# Values in the middle of their counters: at a bound, a counter's own width decides.
@given(st.lists(st.lists(st.integers(1, 20_000_000), max_size=50), min_size=1, max_size=3))
def test_counts_and_sum_are_those_of_the_values(parts: list[list[int]]) -> None:
    found = tally(*(Histogram(part) for part in parts))
    values = [value for part in parts for value in part]
    assert found.counts[-1] == len(values)
    assert list(found.counts) == sorted(found.counts)
    assert found.sum == pytest.approx(sum(values) / 1e6, rel=2e-3, abs=1e-6)
    for bound, count in zip(BUCKETS, found.counts, strict=False):
        least = sum(value <= bound * 1e6 * 0.999 for value in values)
        most = sum(value <= bound * 1e6 * 1.001 for value in values)
        assert least <= count <= most
