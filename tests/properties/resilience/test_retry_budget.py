from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.resilience.backoff import ConstantBackoff, DecorrelatedBackoff, ExponentialBackoff
from perfloop.resilience.budget import RetryBudget

STEPS = st.lists(
    st.one_of(
        st.just("call"),
        st.just("spend"),
        st.floats(0, 30).map(lambda seconds: ("passes", seconds)),
        st.floats(-30, 0).map(lambda seconds: ("passes", seconds)),
    ),
    max_size=200,
)


@given(STEPS, st.floats(0, 1), st.floats(0, 5), st.floats(1, 20))
def test_repetitions_never_exceed_what_was_earned(steps, ratio, per_second, burst) -> None:
    budget = RetryBudget(ratio, min_per_second=per_second, burst=burst)
    calls = spent = 0
    now = latest = first = 0.0
    began = False
    for step in steps:
        if step == "call":
            budget.calls += 1
            calls += 1
        elif step == "spend":
            if not began:
                began, first, latest = True, now, now
            latest = max(latest, now)
            spent += budget.try_spend(now)
        else:
            now += step[1]
        assert spent <= burst + ratio * calls + per_second * (latest - first) + 1e-6
    assert 0 <= budget.held(now) <= burst


@given(
    st.one_of(
        st.builds(
            lambda first, more, factor, jittered: ExponentialBackoff(first, first + more, factor, jittered),
            st.floats(0.001, 10),
            st.floats(0, 100),
            st.floats(1, 10),
            st.booleans(),
        ),
        st.builds(
            lambda first, more: DecorrelatedBackoff(first, first + more), st.floats(0.001, 10), st.floats(0, 100)
        ),
        st.builds(ConstantBackoff, st.floats(0, 100), st.booleans()),
    ),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=50),
)
def test_a_wait_is_never_negative_nor_longer_than_the_longest(backoff, randoms) -> None:
    most = backoff.wait * 1.5 if isinstance(backoff, ConstantBackoff) else backoff.most
    before = 0.0
    for failed, random in enumerate(randoms, start=1):
        before = backoff.seconds(failed, before, iter([random]).__next__)
        assert 0 <= before <= most
