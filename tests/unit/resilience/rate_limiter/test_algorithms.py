"""Each algorithm as a function of the time. That none exceeds its budget is in tests/properties."""

from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.resilience.rate_limiter import GCRA, SlidingWindow, TokenBucket

from ..naive.rate_limiter_fixed_window import FixedWindow

SECOND = 1_000_000


def waits(algorithm, times, state=None):
    """What it says at each time."""
    said = []
    for now in times:
        state, wait = algorithm.take(state, now)
        said.append(wait)
    return said


@pytest.mark.parametrize(
    ("algorithm", "times", "expected"),
    [
        # A burst, and then a token each half second.
        (TokenBucket(2), [0, 0, 0, 499_999, 500_000, 500_000], [0, 0, 500_000, 1, 0, 500_000]),
        (TokenBucket(2, burst=1), [0, 0, 500_000, 10 * SECOND, 10 * SECOND], [0, 500_000, 0, 0, 500_000]),
        # A third of a second is no whole number of microseconds, and who comes late has lost what is left of it.
        (TokenBucket(3, burst=1), [0, 333_333, 333_334, 666_666, 666_667, 666_668], [0, 1, 0, 2, 1, 0]),
        (GCRA(2), [0, 0, 500_000, 10 * SECOND, 10 * SECOND], [0, 500_000, 0, 0, 500_000]),
        (GCRA(2, burst=2), [0, 0, 0, 499_999, 500_000, 500_000], [0, 0, 500_000, 1, 0, 500_000]),
        # With a burst of two nothing is lost.
        (GCRA(3, burst=2), [0, 0, 333_334, 666_667, 1_000_000, 1_000_000], [0, 0, 0, 0, 0, 333_334]),
        (GCRA(3), [0, 333_333, 333_334, 666_666, 666_667, 666_668], [0, 1, 0, 2, 1, 0]),
        (SlidingWindow(2), [0, 100, 100, 999_999, 1_000_000, 1_000_000], [0, 0, 999_900, 1, 0, 100]),
    ],
    ids=lambda value: getattr(value, "signature", ""),
)
def test_what_is_admitted_and_when_the_next_one_is(algorithm, times, expected) -> None:
    assert waits(algorithm, times) == expected


@pytest.mark.parametrize("algorithm", [TokenBucket(2), GCRA(2, burst=2), SlidingWindow(2)])
def test_a_clock_that_is_set_back_stops_nobody_for_longer_than_a_full_budget_takes(algorithm) -> None:
    state, _ = algorithm.take(None, 3_600 * SECOND)
    state, _ = algorithm.take(state, 3_600 * SECOND)
    said, now = [], 0
    for _ in range(5):
        state, wait = algorithm.take(state, now)
        said.append(wait)
        now += wait
    assert 0 in said[1:]
    assert max(said) <= algorithm.fill
    # Set back by less, nothing is given away.
    state, _ = algorithm.take(None, SECOND)
    state, _ = algorithm.take(state, SECOND)
    assert algorithm.take(state, SECOND - 10)[1] >= 10


@pytest.mark.parametrize("algorithm", [TokenBucket(4, 2.0), GCRA(4, 2.0, burst=3), SlidingWindow(4, 2.0)])
def test_an_idle_state_is_worth_no_more_than_none(algorithm) -> None:
    state = None
    for now in (0, 10, 20):
        state, _ = algorithm.take(state, now)
    idle_at = algorithm.idle_at(state)
    assert 0 < idle_at <= 20 + algorithm.fill
    times = [idle_at + step for step in (0, 0, 0, 0, 1, 500_000, 2_000_000)]
    assert waits(algorithm, times, algorithm.copy(state)) == waits(algorithm, times)


@pytest.mark.parametrize("kind", [TokenBucket, GCRA, SlidingWindow])
def test_a_copy_goes_its_own_way(kind) -> None:
    algorithm = kind(1)
    state, _ = algorithm.take(None, 0)
    copied = algorithm.copy(state)
    algorithm.take(state, SECOND)
    assert algorithm.take(copied, SECOND)[1] == 0


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 1, "per": 0}, "per"),
        ({"limit": 1, "per": -1}, "per"),
        ({"limit": 1, "per": float("inf")}, "per"),
        ({"limit": 1, "per": 1e-7}, "per"),
        ({"limit": 1, "burst": 0}, "burst"),
        ({"limit": 999_983, "per": 86_400.000001, "burst": 999_983}, "limit"),
    ],
)
@pytest.mark.parametrize("kind", [TokenBucket, GCRA, SlidingWindow])
def test_settings_out_of_range_are_refused(kind, settings, where) -> None:
    if kind is SlidingWindow and where == "limit" and settings["limit"] == 999_983:
        kind(**settings)  # it has nothing to multiply
        return
    with pytest.raises(InvalidValue) as caught:
        kind(**settings)
    assert caught.value.where == where


def test_a_sliding_window_has_no_burst_of_its_own() -> None:
    assert SlidingWindow(5, burst=5).burst == 5
    with pytest.raises(InvalidValue, match="no burst"):
        SlidingWindow(5, burst=2)


@pytest.mark.parametrize(
    ("limit", "share", "expected"), [(100, 0.25, (25, SECOND)), (3, 0.5, (1, SECOND)), (1, 0.25, (1, 4 * SECOND))]
)
@pytest.mark.parametrize("kind", [TokenBucket, GCRA, SlidingWindow])
def test_shares_together_are_no_more_than_the_whole(kind, limit, share, expected) -> None:
    part = kind(limit).share(share)
    assert (part.limit, part.per) == expected


def test_large_numbers_are_exact() -> None:
    day = TokenBucket(100_000, 86_400.0)
    now, state = 1_764_550_000 * SECOND, None
    for _ in range(100_000):
        state, wait = day.take(state, now)
        assert wait == 0
    assert day.take(state, now)[1] == 864_000


def test_the_naive_twin_admits_twice_as_many_across_its_border() -> None:
    naive, ours, state = FixedWindow(10, SECOND), SlidingWindow(10), None
    admitted = {"naive": 0, "ours": 0}
    for now in [SECOND - 1] * 10 + [SECOND] * 10:
        admitted["naive"] += naive.take(now)
        state, wait = ours.take(state, now)
        admitted["ours"] += wait == 0
    assert admitted == {"naive": 20, "ours": 10}
