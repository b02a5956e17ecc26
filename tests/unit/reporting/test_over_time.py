"""A run second by second, thinned out."""

from __future__ import annotations

from perfloop.records import SeriesPoint
from perfloop.reporting.over_time import over_time


def point(second: int, requests: int = 10, errors: int = 0, p50: float | None = 1.0) -> SeriesPoint:
    return SeriesPoint(
        second=second,
        requests=requests,
        errors=errors,
        bytes_received=0,
        in_flight=1,
        p50_ms=p50,
        p99_ms=None if p50 is None else p50 * 10,
        max_ms=None if p50 is None else p50 * 20,
    )


def test_a_short_run_keeps_its_seconds() -> None:
    run = over_time([point(0), point(1, 30, 3, 2.0)], 2.0)
    assert run.step_seconds == 1
    assert run.seconds == [0.0, 1.0]
    assert run.rate == [10.0, 30.0]
    assert run.errors == [0.0, 3.0]
    assert run.p99_ms == [10.0, 20.0]


def test_a_second_nobody_wrote_down_finished_nothing() -> None:
    run = over_time([point(0), point(2)], 3.0)
    assert run.rate == [10.0, 0.0, 10.0]
    assert run.max_ms == [20.0, None, 20.0]


def test_a_last_second_is_judged_by_the_part_that_was_measured() -> None:
    assert over_time([point(0), point(1, 8)], 1.8).rate == [10.0, 10.0]
    assert over_time([point(0, 1)], 0.1).rate == [None]
    assert over_time([point(0), point(1, 1)], 1.0).rate == [10.0, None]


def test_the_last_answers_of_a_run_are_no_second_of_their_own() -> None:
    run = over_time([point(0), point(1), point(2, 2, 1, 7.0)], 2.25)
    assert run.seconds == [0.0, 1.0]
    assert run.rate == [10.0, 12 / 1.25]
    assert run.errors == [0.0, 1 / 1.25]
    assert run.p50_ms == [1.0, 2.0]
    assert run.p99_ms == [10.0, 70.0]


def test_a_last_second_without_answers_takes_nothing_from_the_one_before() -> None:
    assert over_time([point(0), point(1)], 2.3).rate == [10.0, 10.0]


def test_a_long_run_is_thinned_without_losing_its_worst_moment() -> None:
    series = [point(second, p50=500.0 if second == 777 else 1.0) for second in range(1_000)]
    run = over_time(series, 1_000.0, most=100)
    assert run.step_seconds == 10
    assert len(run.seconds) == 100
    assert run.rate == [10.0] * 100
    assert max(value for value in run.max_ms if value) == 10_000.0
    assert max(value for value in run.p99_ms if value) == 5_000.0
    assert run.p50_ms[77] == (9 * 1.0 + 500.0) / 10


def test_nothing_gives_nothing() -> None:
    assert over_time([], 0.0).seconds == []
