from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.monitoring.live.window import Window, percentiles

LATENCIES = st.lists(st.floats(1e-6, 3000.0), min_size=1, max_size=60)


@given(LATENCIES, st.floats(0, 100))
def test_percentiles_are_at_most_three_percent_above(latencies: list[float], q: float) -> None:
    window = Window(10)
    for latency in latencies:
        window.add(5.0, latency)
    rank = max(int(q * len(latencies) / 100 + 0.5), 1)
    exact = sorted(latencies)[rank - 1]
    (found,) = window.percentiles(q)
    assert found is not None
    assert exact - 1e-6 <= found <= exact * 1.04 + 2e-6


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 2), st.booleans()), max_size=80))
def test_the_window_is_the_sum_of_its_seconds(requests: list[tuple[int, float, bool]]) -> None:
    window = Window(10)
    for second, latency, failed in sorted(requests):
        window.add(second + 0.5, latency, failed=failed, parts={"cpu": latency})
    window.advance(45)
    kept = [each for each in requests if each[0] > 35]
    assert (window.requests, window.failed) == (len(kept), sum(failed for *_, failed in kept))
    assert sum(window.parts.values()) == pytest.approx(sum(latency for _, latency, _ in kept), abs=1e-9)
    fresh = Window(10)
    for second, latency, failed in kept:
        fresh.add(second + 0.5, latency, failed=failed)
    assert window.percentiles(50, 99) == fresh.percentiles(50, 99)
    assert [each.requests for each in window.course(46, 10)] == [
        sum(1 for second, *_ in kept if second == at) for at in range(36, 46)
    ]


def test_nothing_is_nothing() -> None:
    window = Window(10)
    assert (window.percentiles(50), percentiles({}, 99, 50)) == ([None], [None, None])
    assert [(each.requests, each.p50) for each in window.course(3, 2)] == [(0, None)] * 2


def test_what_is_too_old_is_left_out() -> None:
    window = Window(5)
    window.add(100.0, 0.1)
    window.add(95.9, 0.1)
    window.add(96.0, 0.1)
    assert window.requests == 2


def test_many_at_once() -> None:
    window = Window(5)
    window.add(1.0, 0.1, count=1000, failed=True, parts={"cpu": 3.0})
    assert (window.requests, window.failed, window.parts) == (1000, 1000, {"cpu": 3.0})


def test_memory_is_bounded_whatever_comes() -> None:
    window = Window(10)
    for number, latency in enumerate(np.random.default_rng(1).lognormal(-4, 3, 50_000)):
        window.add(number / 100, float(latency))
    assert len(window._slots) <= 10
    assert len(window._cells) <= 1_000


def test_a_second_that_was_shown_is_shown_anew_when_something_is_added() -> None:
    window = Window(10)
    window.add(5.5, 0.1)
    (before,) = window.course(6, 1)
    window.add(5.6, 0.4, failed=True)
    (after,) = window.course(6, 1)
    assert (before.requests, after.requests, after.failed) == (1, 2, 1)
    assert (after.p99 or 0) >= 0.4
