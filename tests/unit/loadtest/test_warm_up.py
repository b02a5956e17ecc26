"""Where a warm-up ends."""

from __future__ import annotations

import numpy as np
import pytest

from perfloop.loadtest.warm_up import Window, never_over, warm_up_end


def windows(*medians: float, length: float = 0.2, requests: int = 50, mean: float = 1.0) -> list[Window]:
    """Of equal length; `mean` is how many times the median the mean is."""
    return [Window((number + 1) * length, requests, value, mean * value) for number, value in enumerate(medians)]


FLAT = [10.0, 10.4, 9.8, 10.1, 9.9, 10.2, 10.0, 9.7, 10.3, 10.0] * 4


@pytest.mark.parametrize(
    ("first", "end"),
    [
        ([], None),
        ([30.0, 30.0, 30.0], 0.6),
        ([14.0, 14.0, 14.0, 14.0, 14.0], 1.0),
        ([80.0, 40.0, 25.0, 18.0, 14.0, 11.0], 1.0),
        ([12.0, 12.0, 12.0], None),  # less than 25 % slower
        ([5.0, 5.0, 5.0], None),  # faster
        ([10.0, 30.0, 30.0], None),  # slow, but not from the start: something else happened
    ],
    ids=["flat", "step", "small step", "decay", "too little", "faster", "later"],
)
def test_what_is_clearly_slower_than_the_rest_is_the_warm_up(first: list[float], end: float | None) -> None:
    assert warm_up_end(windows(*first, *FLAT)) == (end if end is None else pytest.approx(end))
    assert never_over(windows(*first, *FLAT)) is None


def test_less_than_a_millisecond_is_no_warm_up() -> None:
    assert warm_up_end(windows(0.8, 0.8, 0.8, *([0.2] * 40))) is None
    assert warm_up_end(windows(1.8, 1.8, 1.8, *([0.2] * 40))) == pytest.approx(0.6)


def test_a_run_that_is_always_slow_now_and_then_has_no_warm_up() -> None:
    now_and_then = [10.0, 10.0, 25.0, 25.0] * 10
    assert warm_up_end(windows(30.0, 30.0, *now_and_then)) is None
    assert warm_up_end(windows(190.0, 190.0, *now_and_then)) == pytest.approx(0.4)


def test_the_mean_shows_what_only_some_wait_for() -> None:
    first = windows(10.0, 10.0, 10.0, mean=4.0)
    rest = [Window(window.end + 0.6, 50, window.p50_ms, window.mean_ms) for window in windows(*FLAT)]
    assert warm_up_end([*first, *rest]) == pytest.approx(0.6)


def test_little_that_lasts_shows_in_longer_windows() -> None:
    generator = np.random.default_rng(1)
    noise = generator.uniform(0.6, 1.4, 96)
    noise[:24] *= 2
    assert warm_up_end(windows(*(10 * noise))) == pytest.approx(4.8, abs=0.8)


def test_few_windows_say_nothing() -> None:
    assert warm_up_end(windows(90.0, *[10.0] * 6)) is None
    assert never_over(windows(9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0)) is None


@pytest.mark.parametrize(
    ("medians", "found"),
    [
        (np.linspace(40, 10, 40), (36.5, 13.5)),
        ([40.0] * 26 + [10.0] * 14, (40.0, 10.0)),
        ([40.0] * 39 + [10.0], None),  # it may be the end of the run that is odd
        ([12.0] * 26 + [10.0] * 14, None),
        (np.linspace(1.2, 0.4, 40), None),
        (np.linspace(10, 40, 40), None),
        (FLAT, None),
    ],
    ids=["falling", "late step", "last window", "small step", "below 1 ms", "rising", "flat"],
)
def test_a_run_that_was_warming_up_all_the_time(medians, found: tuple[float, float] | None) -> None:
    assert never_over(windows(*medians)) == (found if found is None else pytest.approx(found, rel=0.02))


def test_a_second_half_that_rises_and_falls_slowly_says_less_about_the_first() -> None:
    slowly = 10 + np.sin(np.linspace(0, 2 * np.pi, 20))
    quickly = np.random.default_rng(0).permutation(slowly)
    assert warm_up_end(windows(13.0, 13.0, *slowly)) is None
    assert warm_up_end(windows(13.0, 13.0, *quickly)) == pytest.approx(0.4)
