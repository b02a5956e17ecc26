"""A replay is a record of what each setting would have done."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import msgspec
import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.records import json_schema
from perfloop.resilience.replay import given_outage, replay

from .recorded import recorded

DOWN = recorded("." * 40 + "F" * 20 + "." * 40, every=0.5)
GRID = {"max_failures": [3, 50], "reset_timeout": [2.0]}


def test_the_record_tells_what_each_setting_does() -> None:
    told: list[tuple[int, int]] = []
    record = replay(DOWN, GRID, progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 2), (2, 2)]
    assert (record.calls, record.failures, record.successes, record.processes) == (100, 20, 80, 1)
    assert [each.settings for each in record.results] == [
        {"max_failures": 3, "reset_timeout": 2.0},
        {"max_failures": 50, "reset_timeout": 2.0},
    ]
    low, high = record.results
    assert (low.outages_missed, high.outages_missed) == (0, 1)
    assert high.let_through == 20 > low.let_through
    assert low.time_to_open_s == pytest.approx(1.1)
    assert low.best
    assert (record.chosen, record.verdict) == (0, "chosen")
    assert len(record.course.calls) == len(low.open_share)
    assert sum(record.course.calls) == 100
    assert sum(record.course.failures) == 20
    assert sum(low.open_share) * record.course.step_seconds == pytest.approx(low.open_seconds, rel=0.01)
    [outage] = record.outages
    assert (outage.start_seconds, outage.failures, outage.given) == (20.0, 20, False)
    jsonschema.validate(json.loads(msgspec.json.encode(record)), json_schema())


def test_the_same_calls_give_the_same_record() -> None:
    first, second = replay(DOWN, GRID), replay(DOWN, GRID)
    assert first.results == second.results


def test_an_outage_that_somebody_knows_of_counts_instead() -> None:
    record = replay(DOWN, GRID, outages=[given_outage(DOWN, 1010.0, 1030.0)])
    assert [(each.start_seconds, each.given) for each in record.outages] == [(10.0, True)]
    assert record.results[0].time_to_open_s == pytest.approx(11.1)
    assert not any("half of the calls" in each for each in record.caveats)


def test_without_an_outage_nothing_is_chosen() -> None:
    record = replay(recorded("..........."), GRID)
    assert (record.chosen, record.verdict) == (None, "not enough data")


def test_settings_that_never_open_are_not_chosen() -> None:
    record = replay(DOWN, {"max_failures": [50, 60]})
    assert (record.chosen, record.verdict) == (None, "none opened")
    assert [each.outages_unseen for each in record.results] == [1, 1]


def test_an_outage_that_one_process_opened_in_is_seen_but_missed_by_the_other() -> None:
    calls = recorded("." * 40 + "F" * 20 + "." * 40, every=0.5, process=[0] * 55 + [1] * 5 + [0] * 40)
    [result] = replay(calls, {"max_failures": [10]}).results
    assert (result.outages, result.outages_missed, result.outages_unseen) == (2, 1, 0)


def test_a_setting_that_opens_is_chosen_before_one_that_is_wrong_about_fewer() -> None:
    calls = recorded("." * 40 + "F" * 10 + "." * 40, every=0.2)
    record = replay(calls, {"max_failures": [50, 9], "reset_timeout": [60.0]})
    assert [each.outages_missed for each in record.results] == [1, 0]
    assert record.results[0].let_through < record.results[1].let_through + record.results[1].false_rejected
    assert (record.chosen, record.verdict) == (1, "chosen")


def test_what_is_not_known_is_said() -> None:
    calls = replace(recorded("..RR..", process=[0, 1] * 3), lost=7, damage=["a.outcomes: cut off at byte 9"])
    said = " ".join(replay(calls, {}).caveats)
    for words in ("2 calls were rejected while", "7 calls were lost", "Each of the 2 processes", "Damaged: a.outcomes"):
        assert words in said


def test_no_calls_and_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="got none"):
        replay(recorded(""), {})
    with pytest.raises(ConfigurationError, match="got none"):
        replay(recorded("--R"), {})
    with pytest.raises(ConfigurationError, match="setting of a circuit breaker"):
        replay(DOWN, {"threshold": [1]})
    with pytest.raises(InvalidValue):
        replay(DOWN, {"max_failures": [0]})
