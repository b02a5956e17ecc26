"""The server's time is never thought earlier than it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.caching.levels.redis_clock import MEASURED_AGAIN_AFTER, ServerClock

from ...testing.clocks import MovingClock


@given(
    st.floats(1e9, 2e9),
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 20)), min_size=1, max_size=20),
)
def test_it_runs_before_the_server_by_a_round_trip_at_most(
    offset: float, measurements: list[tuple[float, ...]]
) -> None:
    ours = MovingClock()
    clock = ServerClock(ours)
    longest = 0.0
    for there, back, pause in measurements:
        asked = ours.seconds
        server = asked + there + offset
        ours.seconds += there + back
        longest = max(longest, there + back)
        clock.measured(server, asked, ours.seconds)
        ours.seconds += pause
        ahead = clock.milliseconds() / 1000.0 - (ours.seconds + offset)
        assert -1e-5 <= ahead <= longest + 1e-5


def test_a_shorter_round_trip_counts_more() -> None:
    ours = MovingClock()
    clock = ServerClock(ours)
    assert clock.is_due()
    clock.measured(2000.4, 999.0, 1000.0)
    assert clock.milliseconds() == pytest.approx(2_001_400)
    clock.measured(2000.4, 999.9, 1000.0)
    assert clock.milliseconds() == pytest.approx(2_000_500)
    clock.measured(2000.4, 999.4, 1000.0)
    assert clock.milliseconds() == pytest.approx(2_000_500)
    assert not clock.is_due()
    ours.seconds += MEASURED_AGAIN_AFTER + 1
    assert clock.is_due()


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_server_whose_clock_was_set_is_believed(jump: float) -> None:
    ours = MovingClock()
    clock = ServerClock(ours)
    clock.measured(2000.0, 999.9, 1000.0)
    clock.measured(2000.0 + jump, 999.5, 1000.0)
    assert clock.milliseconds() == pytest.approx((2000.5 + jump) * 1000)
