from __future__ import annotations

import math

import numpy as np
import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import ThinkTime, parse_think_time
from perfloop.loadtest.thinking import Users


@pytest.mark.parametrize(
    ("text", "think_time", "written"),
    [
        ("1s", ThinkTime(1), "1s"),
        ("0.5s..2s", ThinkTime(0.5, 2), "500ms..2s"),
        ("0s .. 250ms", ThinkTime(0, 0.25), "0s..250ms"),
        ("exponential 1.5s", ThinkTime(1.5, exponential=True), "exponential 1500ms"),
    ],
)
def test_think_times_as_people_write_them(text, think_time, written) -> None:
    assert parse_think_time(text) == think_time
    assert str(think_time) == written
    assert parse_think_time(written) == think_time


def test_a_range_needs_its_units() -> None:
    with pytest.raises(InvalidValue, match="a unit at both ends") as caught:
        parse_think_time("0.5..2", where="--think-time")
    assert caught.value.where == "--think-time"


@pytest.mark.parametrize("text", ["", "long", "2s..1s", "0s", "1s..", "..1s", "exponential 1s..2s", "normal 1s", "-1s"])
def test_anything_else_is_refused_with_examples(text) -> None:
    with pytest.raises(InvalidValue, match="think time") as caught:
        parse_think_time(text, where="--think-time")
    assert "0.5s..2s" in caught.value.hint
    assert caught.value.where == "--think-time"


@pytest.mark.parametrize(
    ("think_time", "deviation"),
    [(ThinkTime(2), 0), (ThinkTime(1, 3), 2 / math.sqrt(12)), (ThinkTime(2, exponential=True), 2)],
)
def test_think_times_have_their_distribution_and_the_seed_decides_them(think_time, deviation) -> None:
    draw = think_time.drawing(3)
    drawn = [draw() for _ in range(20_000)]
    assert np.mean(drawn) == pytest.approx(2, rel=0.03) == think_time.mean
    assert np.std(drawn) == pytest.approx(deviation, rel=0.03)
    again = think_time.drawing(3)
    assert [again() for _ in range(5)] == drawn[:5]


def test_users_begin_evenly_spread_over_the_first_pause() -> None:
    assert Users(4, ThinkTime(1, 3), None, 0).dues(0, 9).tolist() == [0, 0.5, 1, 1.5]
    assert Users(4, None, 2.0, 0).peak == 2
    paced = Users(4, None, 2.0, 0)
    assert paced.plan(1.2, 100) == (100, 1.2)
    assert paced.dues(0, 9).tolist() == [0, 0.5, 1]


def test_users_are_due_in_the_order_of_their_times() -> None:
    users = Users(2, None, 1.0, 0)
    assert users.plan(10, math.inf) == (math.inf, 10)
    assert users.due(0) == 0
    assert users.due(1) == 0.5
    assert not users.wait(3.0)
    assert users.wait(0.4)
    assert users.due(1) == 0.4
    assert (users.count(0.4), users.count(0.45), users.count(9)) == (1, 2, 4)
    assert users.dues(1, 3).tolist() == [0.4, 0.5]
    assert [users.due(number) for number in (2, 3, 4)] == [0.5, 3.0, math.inf]
    # Nobody sends after the end.
    assert not users.wait(10.0)
    assert users.due(4) == math.inf


def test_a_thinking_user_counts_from_the_answer_and_a_paced_one_from_the_start() -> None:
    assert Users(1, ThinkTime(2), None, 0).next_due(now=50.0, started=49.0) == 52
    assert Users(1, None, 2.0, 0).next_due(now=50.0, started=49.0) == 51
    # Late: the pace goes on from when the request was sent, not from when it was due.
    assert Users(1, None, 2.0, 0).next_due(now=57.0, started=50.0) == 52
