from __future__ import annotations

import itertools

import msgspec
import pytest

from perfloop.loadtest.capacity.decision import Conclusion, NextProbe, decide

from .simulated import SETTINGS, Service, probe, search

RAMP = [
    probe(rate=None, connections=n, seconds=0.5, throughput=min(n, 4) * 100.0, verdict="measured")
    for n in (1, 2, 4, 8, 16)
]


def after(*probes, settings=SETTINGS):
    return decide(settings, [*RAMP, *probes])


def next_rate(*probes, settings=SETTINGS) -> float:
    decided = after(*probes, settings=settings)
    assert isinstance(decided, NextProbe)
    assert decided.rate is not None
    return decided.rate


def test_it_begins_with_one_request_in_flight_and_doubles_until_the_throughput_ends() -> None:
    for done in range(len(RAMP)):
        decided = decide(SETTINGS, RAMP[:done])
        assert decided == NextProbe(rate=None, connections=2**done, seconds=0.5)
    assert next_rate() == pytest.approx(360)


def test_closed_probes_of_a_slow_service_last_for_some_requests() -> None:
    slow = probe(rate=None, connections=1, seconds=1.0, throughput=1.0, p50_ms=1000.0, verdict="measured")
    assert decide(SETTINGS, [slow]).seconds == pytest.approx(3.0)


def test_as_many_connections_as_the_throughput_needs_and_no_more_than_allowed() -> None:
    assert after().connections == 16
    few = msgspec.structs.replace(SETTINGS, most_connections=8)
    assert after(settings=few).connections == 8
    assert decide(few, RAMP[:4]).rate is not None, "no closed probe with more connections than allowed"


def test_rates_rise_in_growing_steps_until_one_misses() -> None:
    rates, done = [], []
    for _ in range(4):
        rates.append(next_rate(*done))
        done.append(probe(rate=rates[-1], verdict="met"))
    assert [later / earlier for earlier, later in itertools.pairwise(rates)] == pytest.approx([1.15, 1.3, 1.6])


def test_a_rate_with_too_few_samples_is_no_pass_but_no_reason_to_go_down() -> None:
    assert next_rate(probe(rate=360, verdict="too few samples")) > 360


def test_below_what_was_missed_it_goes_to_what_got_through() -> None:
    assert next_rate(probe(rate=360, throughput=250, verdict="missed")) == pytest.approx(0.97 * 250)
    # Where that is not below, as with a latency target, in steps.
    assert next_rate(probe(rate=360, throughput=360, verdict="missed")) == pytest.approx(360 / 1.15)


def test_it_gives_up_where_requests_do_not_meet() -> None:
    service = Service(400, target=1e-9)
    conclusion, history = search(service)
    assert (conclusion.verdict, conclusion.limited_by, conclusion.capacity) == ("never met", "service", None)
    assert min(one.rate for one in history if one.rate) == pytest.approx(100 / 8)
    assert conclusion.reasons == ["at 12.5 requests/s: simulated"]


def test_what_cannot_be_believed_is_tried_again() -> None:
    doubtful = probe(rate=360, verdict="untrustworthy")
    assert next_rate(doubtful) == 360
    assert next_rate(doubtful, doubtful) == 360
    assert next_rate(doubtful, doubtful, doubtful) == pytest.approx(180)


def test_a_generator_that_can_do_no_more_is_an_answer() -> None:
    service = Service(1000, slots=8, generator=600)
    conclusion, history = search(service)
    assert (conclusion.verdict, conclusion.limited_by) == ("at least", "generator")
    assert 450 < max(one.rate for one in history if one.verdict == "met") <= 600
    assert "simulated" in conclusion.reasons[0]


def test_a_service_that_answers_nothing_has_no_capacity() -> None:
    dead = probe(rate=None, connections=1, throughput=0.0, verdict="measured")
    conclusion = decide(SETTINGS, [dead])
    assert isinstance(conclusion, Conclusion)
    assert conclusion.reasons == ["no request was answered without error"]


def test_too_slow_for_its_percentile_is_not_enough_data() -> None:
    conclusion, _ = search(Service(3.0, slots=1))
    assert (conclusion.verdict, conclusion.limited_by) == ("not enough data", "time")


def test_probes_are_long_enough_for_the_percentile() -> None:
    assert after().seconds == 4.0
    slow = [msgspec.structs.replace(one, throughput=one.throughput / 10) for one in RAMP]
    wanted = decide(SETTINGS, slow)
    assert 0.8 * wanted.seconds * wanted.rate >= SETTINGS.samples


def test_when_the_time_is_over_the_answer_is_what_is_known() -> None:
    short = msgspec.structs.replace(SETTINGS, budget=22.0)
    conclusion, history = search(Service(400), short)
    assert (conclusion.verdict, conclusion.limited_by) == ("not enough data", "time")
    low, _, high = conclusion.capacity
    assert low <= 400 <= high
    assert conclusion.reasons[0] == "the time is over: 22 s of probes"
    assert sum(one.seconds for one in history) < 22 + 16
    nothing = decide(msgspec.structs.replace(SETTINGS, budget=1.0), RAMP)
    assert (nothing.verdict, nothing.capacity) == ("not enough data", None)


def test_recovery_counts_as_time() -> None:
    tired = probe(rate=360, verdict="missed", recovery_seconds=1e6)
    assert isinstance(after(tired), Conclusion)


def test_connections_that_were_all_busy_make_it_a_lower_bound() -> None:
    few = msgspec.structs.replace(SETTINGS, most_connections=2)
    history = RAMP[:2]
    while isinstance(decided := decide(few, history), NextProbe):
        met = decided.rate <= 200
        history.append(probe(rate=decided.rate, verdict="met" if met else "missed", waited=0.0 if met else 0.9))
    assert (decided.verdict, decided.limited_by) == ("at least", "connections")
    assert "2 connections were busy" in decided.reasons[0]


def test_a_search_goes_on_where_its_probes_end() -> None:
    whole, history = search(Service(400))
    for cut in (3, 7, len(history)):
        resumed = list(history[:cut])
        service = Service(400)
        while isinstance(decided := decide(SETTINGS, resumed), NextProbe):
            resumed.append(service.probe(decided))
        assert decided == whole
