"""The warm-up of any run."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest.warm_up import Window, never_over, warm_up_end

SEEDS = st.integers(0, 2**32 - 1)
LEVELS = st.floats(1, 500)


def run_of(medians: np.ndarray, length: float = 0.2) -> list[Window]:
    return [Window((number + 1) * length, 40, float(value), float(value)) for number, value in enumerate(medians)]


def noise(seed: int, count: int, correlation: float, spread: float = 0.05) -> np.ndarray:
    """Factors around 1, neighbours alike."""
    generator = np.random.default_rng(seed)
    values = [generator.standard_normal()]
    for _ in range(count - 1):
        values.append(correlation * values[-1] + np.sqrt(1 - correlation**2) * generator.standard_normal())
    return np.exp(spread * np.array(values))


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 1000)), max_size=80))
def test_it_ends_where_a_window_ends_whatever_happened(run: list[tuple[float, float, int]]) -> None:
    windows = [Window(0.1 * (number + 1), *(count, p50, mean)) for number, (p50, mean, count) in enumerate(run)]
    assert warm_up_end(windows) in [None, *(window.end for window in windows)]
    never_over(windows)


@given(SEEDS, LEVELS, st.integers(8, 80), st.floats(0, 0.95))
def test_noise_is_not_cut_however_alike_neighbours_are(seed: int, level: float, count: int, alike: float) -> None:
    windows = run_of(level * noise(seed, count, alike, spread=0.03))
    assert warm_up_end(windows) is None
    assert never_over(windows) is None


@given(SEEDS, LEVELS, st.integers(32, 80), st.floats(2.5, 100), st.integers(1, 8))
def test_a_step_is_cut_where_it_ends(seed: int, level: float, count: int, times: float, slow: int) -> None:
    medians = level * noise(seed, count, 0.3)
    medians[:slow] *= times
    end = warm_up_end(run_of(medians))
    assert end is not None
    assert 0.2 * slow - 1e-9 <= end <= 0.4 * slow + 0.8


@given(SEEDS, LEVELS, st.floats(3, 50), st.floats(0.3, 1.0))
def test_a_decay_is_cut_and_the_larger_the_later(seed: int, level: float, times: float, constant: float) -> None:
    after = 0.2 * np.arange(64)
    usual = level * noise(seed, 64, 0.0, spread=0.02)
    ends = [warm_up_end(run_of(usual * (1 + more * np.exp(-after / constant)))) for more in (times, 4 * times)]
    assert all(ends)
    assert ends == sorted(ends)
