from __future__ import annotations

from perfloop.resilience.recent_latencies import RecentLatencies


def test_percentiles_of_the_last_calls() -> None:
    recent = RecentLatencies(100)
    for number in range(9):
        recent.record(number)
        assert recent.percentile(0.5) is None
    recent.record(9)
    assert [recent.percentile(share) for share in (0.1, 0.5, 0.95, 1)] == [1, 5, 9, 9]
    for number in range(100, 200):
        recent.record(number)
    assert recent.percentile(0.5) == 150
    recent.record(0)
    assert recent.percentile(0.01) == 101  # not sorted anew yet


def test_a_window_of_one() -> None:
    recent = RecentLatencies(1)
    assert recent.percentile(1) is None
    for number in (3, 2):
        recent.record(number)
        assert recent.percentile(0.5) == number
