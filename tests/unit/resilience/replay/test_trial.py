"""A setting is tried on the very calls that were recorded, by the very breaker."""

from __future__ import annotations

import pytest

from perfloop.resilience import CircuitBreaker
from perfloop.resilience.replay import find_outages
from perfloop.resilience.replay.trial import Trial, try_setting

from .recorded import recorded

OUTAGES = {"least_failures": 3, "least_seconds": 1.0, "gap_seconds": 0.0}


def tried(calls, *, max_failures: int = 3, reset_timeout: float = 3.0, shared: bool = False, **more) -> Trial:
    return try_setting(
        calls,
        find_outages(calls, **OUTAGES),
        lambda clock, registry: CircuitBreaker(max_failures, reset_timeout, clock=clock, registry=registry, **more),
        shared=shared,
    )


def test_nothing_is_rejected_while_nothing_fails() -> None:
    trial = tried(recorded("." * 50))
    assert (trial.rejected, trial.opens, trial.outages, trial.open_seconds) == (0, [], 0, 0.0)


def test_an_outage_opens_it_and_its_end_closes_it() -> None:
    # Fails from 1005 on; the third failure ends at 1007.1; open until 1010.1, so that 1011 is the probe.
    trial = tried(recorded(".....FFFFFFF....."))
    # That failed: open until 1014.1; 1015 closes it, and what it rejected meanwhile had succeeded.
    assert trial.opens == [pytest.approx(1007.1), pytest.approx(1011.1)]
    assert trial.to_open == [pytest.approx(2.1)]
    assert (trial.rejected, trial.false_rejected, trial.let_through) == (6, 3, 4)
    assert trial.to_close == [pytest.approx(1015.1 - 1011.1)]


def test_rejected_calls_that_had_succeeded_are_counted() -> None:
    trial = tried(recorded(".....FFF.........", every=1.0))
    assert trial.opens == [pytest.approx(1007.1)]
    assert (trial.rejected, trial.false_rejected) == (3, 3)
    assert trial.to_close == [pytest.approx(1011.1 - 1007.1)]
    assert trial.open_times == [(pytest.approx(1007.1), pytest.approx(1011.1))]


def test_opening_outside_of_an_outage_is_false() -> None:
    trial = tried(recorded("....FF......"), max_failures=2)
    assert (trial.outages, trial.false_opens) == (0, 1)


def test_an_outage_it_never_opened_in_is_missed() -> None:
    trial = tried(recorded("....FFF......"), max_failures=10)
    assert (trial.outages, trial.outages_missed, trial.let_through) == (1, 1, 3)


def test_a_breaker_that_stays_open_is_said_never_to_close() -> None:
    trial = tried(recorded(".....FFF........."), reset_timeout=60.0)
    assert (trial.to_close, trial.never_closed) == ([], 1)


def test_each_process_has_its_own_unless_they_share() -> None:
    calls = recorded("..FFFF....", process=[0, 1] * 5)
    assert tried(calls).opens == []
    assert len(tried(calls, shared=True).opens) == 1
    assert tried(calls).outages == 2


def test_what_was_rejected_while_recording_is_left_out() -> None:
    trial = tried(recorded("....RRRRRRFFF...."))
    assert trial.opens == [pytest.approx(1012.1)]


def test_calls_overlap_as_they_did() -> None:
    # The first call ends last: its failure is of a time when the circuit is open, and changes nothing.
    trial = tried(recorded("FFFF.....", took=[6.5, *([0.1] * 8)]))
    assert trial.opens == [pytest.approx(1003.1)]
    assert trial.rejected == 3


def test_slow_calls_open_where_they_count() -> None:
    trial = tried(recorded("...." * 5, took=[2.0] * 20), slow_call_duration=1.0)
    assert trial.opens
