from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest.capacity.goals import goals_of, missed, parse_goals, samples_needed
from perfloop.stats import Histogram
from perfloop.targets import Targets


def test_the_default_targets_are_goals() -> None:
    assert goals_of(Targets()) == ("p50<=100ms", "p95<=500ms", "p99<=1000ms")
    assert goals_of(Targets(latency_p50=None, latency_p95=None, latency_p99=0.07)) == ("p99<=70ms",)


def test_there_is_always_a_goal_for_errors() -> None:
    assert [goal.expression for goal in parse_goals(["p99<200ms"])] == ["p99<200ms", "errors<=0.1%"]
    assert [goal.expression for goal in parse_goals(["errors<1%"])] == ["errors<1%"]


@pytest.mark.parametrize("text", ["p99>200ms", "rate<100", "errors<5", "service_time_p99<10ms", "p99", "requests<10"])
def test_what_a_higher_rate_cannot_break_is_no_goal(text: str) -> None:
    with pytest.raises(InvalidValue) as error:
        parse_goals([text], where="--target")
    assert error.value.where == "--target"
    assert error.value.got == text


@pytest.mark.parametrize(
    ("texts", "needed"), [(["p50<1s"], 6), (["p99<1s"], 300), (["p99.9<1s", "p50<1s"], 3000), (["mean<1s"], 30)]
)
def test_a_percentile_needs_samples_beyond_it(texts: list[str], needed: int) -> None:
    assert samples_needed(parse_goals(texts)) == needed


def test_missed_goals_say_what_was_measured() -> None:
    latency = Histogram([1_000] * 98 + [300_000, 400_000])
    goals = parse_goals(["p50<=1ms", "p99<200ms", "mean<5ms", "max<1s", "errors<1%"])
    assert missed(goals, latency, 100, 2) == [
        "p99<200ms: measured 300 ms",
        "mean<5ms: measured 7.98 ms",
        "errors<1%: 2 % of 100 requests failed",
    ]
    assert missed(parse_goals(["p99<1s"]), Histogram(), 0, 0) == [
        "p99<1s: no request was answered",
        "errors<=0.1%: 100 % of 0 requests failed",
    ]
