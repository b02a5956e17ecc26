"""Counts of a histogram kept small, joined and subtracted."""

from __future__ import annotations

import numpy as np
import pytest

from perfloop.stats import Histogram
from perfloop.stats.counts import Counts


def pairs(counts: Counts) -> dict[int, int]:
    return dict(zip(counts.cells.tolist(), counts.counts.tolist(), strict=True))


@pytest.mark.parametrize(
    ("highest", "width"), [(1, 2), (65_535, 2), (65_536, 4), (2**32 - 1, 4), (2**32, 8), (2**62, 8)]
)
def test_they_take_as_few_bytes_as_hold_them(highest: int, width: int) -> None:
    counts = Counts.of(np.array([3, 9]), np.array([1, highest]))
    assert (counts.cells.itemsize, counts.counts.itemsize) == (2, width)
    assert pairs(counts) == {3: 1, 9: highest}


def test_what_several_counted_beyond_an_earlier_look() -> None:
    whole, under_way, seen = Histogram([5, 5, 7, -1]), Histogram(), Histogram()
    earlier = seen.update_to((whole, under_way))
    assert seen == whole
    under_way.record_many(np.array([5, 9, 4_000_000_000]))
    since = seen.update_to((whole, under_way))
    assert pairs(since) == pairs(under_way.counts())
    assert (since.overflow, since.underflow) == (1, 0)
    whole.merge(under_way)
    under_way.reset()
    assert pairs(seen.update_to((whole, under_way))) == {}
    assert seen == whole
    both = earlier.plus(since)
    assert (pairs(both), both.overflow, both.underflow) == (pairs(whole.counts()), 1, 1)


def test_nothing_beyond_nothing() -> None:
    seen = Histogram()
    nothing = seen.update_to((Histogram(), Histogram()))
    assert pairs(nothing.plus(nothing)) == {}
    assert seen == Histogram()


def test_counts_that_outgrow_their_integers_are_joined_whole() -> None:
    full = Counts.of(np.array([1]), np.array([65_535]))
    assert pairs(full.plus(full)) == {1: 131_070}
