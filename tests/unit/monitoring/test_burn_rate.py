from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.burn_rate import WINDOWS, BurnRate

HOUR = 3600.0


def fed(budget: float, *phases: tuple[float, float], rate: float = 10.0, start: float = 1000.0) -> BurnRate:
    """Phases of seconds and share that was bad, at ten a second, read every 10 s."""
    burn_rate = BurnRate(budget)
    now, bad, total = start, 0.0, 0.0
    burn_rate.record(now, bad, total)
    for seconds, share in phases:
        for _ in range(int(seconds / 10)):
            now += 10
            total += 10 * rate
            bad += 10 * rate * share
            burn_rate.record(now, bad, total)
    return burn_rate


def burning(burn_rate: BurnRate) -> list[str]:
    return [burn.window.name for burn in burn_rate.burns() if burn.burning]


def test_the_windows_are_the_workbooks() -> None:
    """2 % of the 30 days' budget in an hour is a rate of 14.4; 5 % in six hours one of 6."""
    for window, share in zip(WINDOWS, (0.02, 0.05), strict=True):
        assert window.most == pytest.approx(share * 30 * 24 * HOUR / window.long)
        assert window.short == window.long / 12


def test_the_rate_is_the_share_that_is_bad_over_the_budget() -> None:
    fast, slow = fed(0.01, (7 * HOUR, 0.02)).burns()
    assert (fast.long, fast.short, slow.long, slow.short) == pytest.approx((2, 2, 2, 2))


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([(7 * HOUR, 0.009)], []),
        ([(7 * HOUR, 0.07)], ["slow"]),
        ([(7 * HOUR, 0.2)], ["fast", "slow"]),
        ([(5 * HOUR, 0.0), (HOUR, 0.2)], ["fast"]),
        ([(5 * HOUR, 0.0), (60, 1.0)], []),
        ([(5 * HOUR, 0.0), (HOUR, 0.3), (400, 0.0)], []),
    ],
    ids=["within", "slowly", "quickly", "since an hour", "for a moment", "it is over"],
)
def test_when_it_burns(phases: list[tuple[float, float]], expected: list[str]) -> None:
    assert burning(fed(0.01, *phases)) == expected


def test_a_budget_that_is_too_large_for_the_rule_burns_half_way_to_all_bad() -> None:
    assert burning(fed(0.5, (7 * HOUR, 0.7))) == []
    assert burning(fed(0.5, (7 * HOUR, 0.8))) == ["fast", "slow"]


def test_too_little_to_say() -> None:
    assert [(burn.long, burn.short) for burn in BurnRate(0.01).burns()] == [(None, None)] * 2
    quiet = fed(0.01, (HOUR, 1.0), rate=1 / 600)
    assert burning(quiet) == []
    assert quiet.burns()[0].long is None


def test_what_was_before_the_first_reading_is_not_counted() -> None:
    burn_rate = BurnRate(0.01)
    burn_rate.record(0, 900, 1000)
    burn_rate.record(10, 900, 2000)
    assert burn_rate.burns()[0].long == 0


@pytest.mark.parametrize("again", [(500.0, 5.0, 20_000.0), (1e6, 0.0, 0.0)], ids=["the clock", "the counts"])
def test_what_goes_back_begins_anew(again: tuple[float, float, float]) -> None:
    burn_rate = fed(0.01, (HOUR, 0.5))
    burn_rate.record(*again)
    assert [burn.long for burn in burn_rate.burns()] == [None, None]
    at, bad, total = again
    burn_rate.record(at + 10, bad + 1, total + 100)
    assert burn_rate.burns()[0].long == pytest.approx(1)


def test_a_clock_that_jumps_ahead_forgets_what_is_too_long_ago() -> None:
    burn_rate = fed(0.01, (HOUR, 0.5))
    burn_rate.record(1e9, 18_000, 36_000)
    burn_rate.record(1e9 + 10, 18_000, 37_000)
    assert [burn.long for burn in burn_rate.burns()] == [0, 0]


def test_memory_is_bounded() -> None:
    burn_rate = fed(0.01, (48 * HOUR, 0.1))
    assert len(burn_rate._kept) <= 6 * HOUR / 30 + 2


@given(st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 100), st.integers(0, 100)), max_size=60))
def test_a_rate_is_never_more_than_all_bad(steps: list[tuple[float, int, int]]) -> None:
    burn_rate = BurnRate(0.05)
    now = bad = total = 0.0
    for seconds, more_bad, more_good in steps:
        now, bad, total = now + seconds, bad + more_bad, total + more_bad + more_good
        burn_rate.record(now, bad, total)
        for burn in burn_rate.burns():
            for rate in (burn.long, burn.short):
                assert rate is None or 0 <= rate <= 20 * (1 + 1e-9)


@pytest.mark.parametrize("budget", [0, 1, -0.1, float("nan")])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(InvalidValue, match="Expected a budget above 0 and below 1"):
        BurnRate(budget)
