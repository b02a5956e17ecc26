"""What reports say of a replay."""

from __future__ import annotations

import msgspec

from perfloop.reporting.replay import (
    calls_over_time,
    cells,
    open_over_time,
    outage_in_words,
    replayed_in_words,
    setting_in_words,
    setting_rows,
)
from perfloop.reporting.verdict import verdict

from .sample_replays import quiet_replay, replayed
from .terminal.test_terminal import rendered


def test_the_chosen_setting_comes_first_then_the_fewest_on_the_wrong_side() -> None:
    rows = setting_rows(replayed())
    assert [row.values for row in rows] == ["5 · 2.5s", "50 · 2.5s", "20 · 30s"]
    assert [row.mark for row in rows] == ["chosen", "", "best"]
    assert cells(rows[0]) == ("12", "30", "8", "1", "1.2 s", "400 ms", "–")
    assert cells(rows[2])[-2:] == ("never", "2 of 4")


def test_outages_that_were_given_and_have_no_calls_are_named_as_the_reason() -> None:
    record = msgspec.structs.replace(quiet_replay(), outages=replayed().outages)
    assert verdict(record).headline.endswith("among 2 settings: no call is in the outages that were given")


def test_a_choice_that_missed_an_outage_is_a_warning_and_not_ticked() -> None:
    record = msgspec.structs.replace(replayed(), chosen=1)
    said = verdict(record)
    assert (said.tone, said.addition) == ("warning", "but it missed 2 of 4 outages")
    assert setting_rows(record)[0].mark == "chosen, missed"
    assert "✓" not in rendered(record)
    assert "✓" in rendered(replayed())
    none = msgspec.structs.replace(replayed(), chosen=None, verdict="none opened")
    assert verdict(none).tone == "warning"
    assert verdict(none).headline == "None of 3 settings opens in an outage of the record"
    assert "✓" not in rendered(none)


def test_a_choice_that_others_beat_by_staying_closed_says_so() -> None:
    better = msgspec.structs.replace(replayed().results[1], false_rejected=0, let_through=3)
    record = msgspec.structs.replace(replayed(), results=[replayed().results[0], better])
    assert (verdict(record).tone, verdict(record).addition) == (
        "good",
        "with the fewest calls on the wrong side of those that open in every outage",
    )


def test_what_was_replayed_is_said() -> None:
    assert replayed_in_words(replayed()) == "payments · 60,000 calls · 10 min · 2 processes · 8 % failed · 2 outages"
    assert outage_in_words(replayed().outages[1]) == (
        "7 min 30 s after the first call, for 6 s: 200 of 300 calls failed (as given)"
    )
    assert setting_in_words({}) == "the defaults"


def test_there_are_charts_where_there_are_calls() -> None:
    record = replayed()
    calls, bands = calls_over_time(record), open_over_time(record, setting_rows(record))
    assert calls is not None
    assert bands is not None
    assert "12 in vain" in bands.wide
    assert open_over_time(quiet_replay(), []) is None
