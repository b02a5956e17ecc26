from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.pytest_plugin.goals import Goal, GoalOutcome, outcomes, parse_goals
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
