from __future__ import annotations

import pytest
from msgspec.structs import replace

from perfloop.loadtest.trust import GeneratorFacts, allowed_lag, untrustworthy_reasons

HEALTHY = GeneratorFacts(
    open_model=True,
    elapsed=10.0,
    send_lag_p99=0.0002,
    latency_p50=0.005,
    cpu=2.0,
    waited_for_cpu=0.1,
    longest_stall=0.02,
    clock_jump=0.001,
)


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"open_model": False},
        {"send_lag_p99": 0.001},
        {"send_lag_p99": 0.004, "latency_p50": 0.1},  # within 5 % of what it disturbs
        {"send_lag_p99": 5.0, "open_model": False},  # a closed model has no schedule
        {"held_up": 0.1},
        {"held_up": 9.0, "open_model": False},
        {"waited_for_cpu": None},
        {"cpu": 9.4, "waited_for_cpu": 0.0},
        {"cpu": 10.0, "spinning": True},
        {"longest_stall": 0.1},
        {"clock_jump": -0.05},
        {"latency_p50": 5.0},  # a slow service is no fault of the generator
    ],
)
def test_a_healthy_generator_is_believed(facts) -> None:
    assert untrustworthy_reasons(replace(HEALTHY, **facts)) == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"send_lag_p99": 0.0011}, "sent late: p99 send lag 1.1 ms, allowed 1 ms"),
        ({"send_lag_p99": 0.006, "latency_p50": 0.1}, "p99 send lag 6 ms, allowed 5 ms"),
        ({"held_up": 0.2}, "held up for 2.0% of the run"),
        ({"cpu": 1.0, "waited_for_cpu": 3.0}, "the generator was starved: for 30% of the run"),
        ({"cpu": 9.6}, "limited by the generator: its thread was busy 97% of the run"),
        ({"cpu": 9.6, "open_model": False}, "limited by the generator"),
        ({"cpu": 5.0, "waited_for_cpu": 4.8}, "48% of it waiting for a processor"),
        ({"longest_stall": 0.5, "longest_stall_at": 3.2}, "stopped or starved for 500 ms, 3.2 s into the run"),
        ({"clock_jump": 60.0}, "clock moved 60 s"),
        ({"clock_jump": -60.0}, "clock moved -60 s"),
    ],
)
def test_each_ailment_is_named(facts, reason) -> None:
    [found] = untrustworthy_reasons(replace(HEALTHY, **facts))
    assert reason in found


def test_lateness_is_told_once() -> None:
    reasons = untrustworthy_reasons(replace(HEALTHY, send_lag_p99=1.0, held_up=5.0))
    assert len(reasons) == 1


def test_what_is_allowed_grows_with_the_latency() -> None:
    assert allowed_lag(0.0) == allowed_lag(0.02) == 0.001
    assert allowed_lag(1.0) == 0.05
