"""No limiter ever exceeds what it promises, in any window, and each says exactly when the next call is admitted."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from perfloop.exceptions import RateLimited
from perfloop.resilience import RateLimiter
from perfloop.resilience.rate_limiter import GCRA, Algorithm, SlidingWindow, TokenBucket
from perfloop.resilience.rate_limiter.local import LocalLimits
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Sequence

limits = st.integers(1, 12)
periods = st.one_of(st.integers(1, 50), st.integers(1, 10_000_000)).map(lambda microseconds: microseconds / 1e6)
algorithms = st.one_of(
    st.builds(TokenBucket, limits, periods, st.none() | limits),
    st.builds(GCRA, limits, periods, st.none() | limits),
    st.builds(SlidingWindow, limits, periods),
)
# How long until the next call: nothing, what the algorithm says, one less, or a part or a multiple of the period.
gaps = st.lists(st.sampled_from(["none", "exact", "early"]) | st.fractions(0, 3), min_size=1, max_size=80)


def arrivals(algorithm: Algorithm[Any], gaps: Sequence[str | Fraction]) -> tuple[list[int], list[tuple[int, int]]]:
    """When calls were admitted, and when others were told to wait for how long."""
    state, now, wait = None, 1_000_000, 0
    admitted: list[int] = []
    rejected: list[tuple[int, int]] = []
    for gap in gaps:
        if isinstance(gap, Fraction):
            now += int(gap * algorithm.per)
        else:
            now += {"none": 0, "exact": wait, "early": max(wait - 1, 0)}[gap]
        state, wait = algorithm.take(state, now)
        if wait:
            rejected.append((now, wait))
        else:
            admitted.append(now)
    return admitted, rejected


def within_budget(algorithm: Algorithm[Any], admitted: list[int]) -> bool:
    """Whether every window, from any admitted call to any later one, keeps the promise."""
    for first, begin in enumerate(admitted):
        for last in range(first, len(admitted)):
            calls, width = last - first + 1, admitted[last] - begin
            if isinstance(algorithm, SlidingWindow):
                fine = calls <= algorithm.limit or width >= algorithm.per
            else:
                fine = calls <= algorithm.burst + Fraction(algorithm.limit * width, algorithm.per)
            if not fine:
                return False
    return True


@given(algorithms, gaps)
def test_no_window_holds_more_than_was_promised(algorithm: Algorithm[Any], gaps: list[str | Fraction]) -> None:
    admitted, _ = arrivals(algorithm, gaps)
    assert within_budget(algorithm, admitted)


@given(algorithms, gaps)
def test_a_call_is_admitted_when_it_was_told_and_not_a_microsecond_before(
    algorithm: Algorithm[Any], gaps: list[str | Fraction]
) -> None:
    state, now = None, 0
    for gap in gaps:
        now += int(gap * algorithm.per) if isinstance(gap, Fraction) else 0
        state, wait = algorithm.take(state, now)
        if wait:
            assert algorithm.take(algorithm.copy(state), now + wait - 1)[1] == 1
            assert algorithm.take(algorithm.copy(state), now + wait)[1] == 0
            assert wait <= algorithm.fill


@given(algorithms, gaps)
def test_an_algorithm_gives_the_whole_budget(algorithm: Algorithm[Any], gaps: list[str | Fraction]) -> None:
    """Who always comes when told gets the full rate: it is not kept by admitting less."""
    state, now, wait = None, 0, 0
    calls = 3 * algorithm.burst
    for _ in range(calls):
        state, wait = algorithm.take(state, now)
        if wait:
            now += wait
            state, wait = algorithm.take(state, now)
        assert wait == 0
    if isinstance(algorithm, SlidingWindow):
        assert now == 2 * algorithm.per
    elif (
        algorithm.limit <= (algorithm.burst - 1) * algorithm.per
    ):  # else a microsecond may fill more than there is room for
        assert now <= -(-(calls - algorithm.burst) * algorithm.per // algorithm.limit)


@given(algorithms, st.integers(1, 3), st.lists(st.tuples(st.sampled_from("abcdef"), st.fractions(0, 2)), max_size=80))
def test_no_key_gets_more_than_its_budget_however_few_are_kept(
    algorithm: Algorithm[Any], max_keys: int, calls: list[tuple[str, Fraction]]
) -> None:
    local = LocalLimits(algorithm, max_keys, crowded=lambda: None)
    now = 0
    admitted: dict[str, list[int]] = {}
    for key, gap in calls:
        now += int(gap * algorithm.per)
        if local.take(key, now) == 0:
            admitted.setdefault(key, []).append(now)
        assert len(local) <= max_keys
    assert all(within_budget(algorithm, times) for times in admitted.values())


@given(algorithms, st.integers(1, 6), gaps)
def test_shares_of_a_limit_are_together_no_more_than_it(
    algorithm: Algorithm[Any], processes: int, gaps: list[str | Fraction]
) -> None:
    part = algorithm.share(1 / processes)
    # 1 ÷ 3 is no float.
    assert processes * Fraction(part.limit, part.per) <= Fraction(algorithm.limit, algorithm.per) * Fraction(1 + 1e-9)
    admitted, _ = arrivals(part, gaps)
    together = sorted(admitted * processes)
    if algorithm.burst >= processes:
        assert within_budget(algorithm, together)


@given(
    st.sampled_from(["token_bucket", "gcra", "sliding_window"]), limits, periods, st.lists(st.floats(0, 3), max_size=60)
)
def test_a_limiter_keeps_the_promise_by_its_clock(algorithm: Any, limit: int, per: float, gaps: list[float]) -> None:
    clock = FakeClock()
    limiter = RateLimiter(limit, per, algorithm=algorithm, clock=clock, registry=Registry())
    admitted, wait = [], 0.0
    for gap in gaps:
        clock.advance(gap * per if gap < 2 else wait)
        try:
            limiter.acquire()
        except RateLimited as error:
            wait = error.retry_after or 0.0
        else:
            admitted.append(round(clock.now() * 1e6))
    assert within_budget(limiter.algorithm, admitted)
