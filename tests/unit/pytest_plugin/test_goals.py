from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.pytest_plugin.goals import Goal, GoalOutcome, check_enough, outcomes, parse_goals
from perfloop.records import Threshold


@pytest.mark.parametrize(
    ("text", "fail_if"),
    [
        ("p99<50ms", "p99>=50ms"),
        ("p99 <= 50ms", "p99 > 50ms"),
        ("rate>450", "rate<=450"),
        ("rate>=450", "rate<450"),
        (" errors<0.1% ", " errors>=0.1% "),
    ],
)
def test_a_goal_is_the_opposite_of_a_limit(text: str, fail_if: str) -> None:
    assert parse_goals([text, "errors<5"])[0] == Goal(text.strip(), fail_if)


def test_without_a_goal_about_errors_there_must_be_none() -> None:
    assert parse_goals(["p99<50ms"])[1:] == [Goal("errors<=0", "errors>0")]
    assert len(parse_goals(["p99<50ms", "errors<1%"])) == 2


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("fast", 'for example "p99<50ms"'),
        ("p99<50", ""),
        ("p99=50ms", ""),
        ("eror<1%", "errors"),
        ("p99>50ms", 'write "p99<=50ms"'),
    ],
)
def test_what_is_no_goal_is_told_in_terms_of_goals(text: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_goals([text])
    assert caught.value.where == "a goal of perfloop_slo"
    assert hint in (caught.value.hint or "")


def test_what_became_of_each() -> None:
    goals = parse_goals(["p99<50ms", "rate>=450"])
    thresholds = [
        Threshold(expression="p99>=50ms", measured=81.0, unit="ms", failed=True),
        Threshold(expression="rate<450", measured=500.0, unit="requests/s", failed=False),
        Threshold(expression="errors>0", measured=None, unit="", failed=True),
    ]
    assert outcomes(goals, thresholds) == [
        GoalOutcome("p99<50ms", 81.0, "ms", False),
        GoalOutcome("rate>=450", 500.0, "requests/s", True),
        GoalOutcome("errors<=0", None, "", False),
    ]


@pytest.mark.parametrize(
    ("goal", "rate", "seconds", "needed"),
    [
        ("p99<50ms", 50, 1, "299"),
        ("p95<1s", 58, 1, "59"),
        ("service_time_p50<1s", 1, 4, "5"),
        ("p999<1s", 100, 5, "2,995"),
    ],
)
def test_a_run_too_short_for_a_goal_is_told_before_it(goal: str, rate: float, seconds: float, needed: str) -> None:
    with pytest.raises(InvalidValue, match=f"at least {needed} requests") as caught:
        check_enough(parse_goals([goal]), rate, seconds)
    longer = float((caught.value.hint or "").removeprefix("duration=").partition(",")[0])
    check_enough(parse_goals([goal]), rate, longer)


@pytest.mark.parametrize("goal", ["p100<1s", "max<1s", "mean<1s", "errors<1%", "rate>3", "p95<1s"])
def test_other_goals_need_no_number_of_requests(goal: str) -> None:
    check_enough(parse_goals([goal]), 59, 1)
