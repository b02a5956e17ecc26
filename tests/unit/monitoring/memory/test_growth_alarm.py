from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perfloop.monitoring.memory.growth_alarm import GrowthAlarm


def test_growth_beyond_the_step_is_told_once_for_each_step() -> None:
    alarm = GrowthAlarm(100)
    sizes = [50, 150, 151, 180, 240, 260, 500]
    assert [alarm.exceeded(size) for size in sizes] == [False, False, True, False, False, True, True]
    assert (alarm.baseline, alarm.growth) == (50, 450)


def test_memory_that_shrinks_is_no_growth() -> None:
    alarm = GrowthAlarm(100)
    assert not alarm.exceeded(500)
    assert not alarm.exceeded(100)
    assert alarm.growth == -400


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_alarms_are_no_more_than_whole_steps(sizes: list[int]) -> None:
    alarm = GrowthAlarm(100)
    fired = sum(alarm.exceeded(size) for size in sizes)
    assert fired <= max(max(sizes) - sizes[0], 0) / 100
    assert (fired > 0) == (max(sizes) - sizes[0] > 100)
