from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.resilience.rate_limiter import TokenBucket
from perfloop.resilience.rate_limiter.unkeyed import UnkeyedBucket


@given(
    st.integers(1, 20),
    st.sampled_from([0.001, 0.3, 1.0, 60.0]),
    st.integers(1, 20),
    st.lists(st.integers(-3_000_000, 10_000_000), max_size=50),
)
def test_it_answers_as_the_pure_bucket_does(limit, per, burst, steps) -> None:
    algorithm = TokenBucket(limit, per, burst)
    bucket, state, now = UnkeyedBucket(algorithm), None, 50_000_000
    for step in steps:
        now = max(0, now + step)  # clocks of two threads, or one that was set back
        state, wait = algorithm.take(state, now)
        assert (bucket.take(now), bucket.state) == (wait, state)
