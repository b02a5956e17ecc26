from __future__ import annotations

import msgspec
import numpy as np
import pytest

from perfloop.loadtest import LoadOutcome, Progress, Samples
from perfloop.loadtest.capacity.goals import parse_goals
from perfloop.loadtest.capacity.judging import (
    OverloadWatch,
    closed_probe,
    errors_allowed,
    falling_behind,
    open_probe,
    recovered,
)
from perfloop.loadtest.trust import GeneratorFacts
from perfloop.records import ErrorKind, Figures, LoadPlan, LoadResults, LoadSummary
from perfloop.stats import Histogram

GOALS = parse_goals(["p99<100ms"])
TRUSTED = GeneratorFacts(open_model=True, elapsed=4.0, send_lag_p99=0.0, latency_p50=0.01, cpu=0.1)


def outcome(
    rate: float, latency: np.ndarray, *, facts: GeneratorFacts = TRUSTED, errors: int = 0, waited: float = 0.0
) -> LoadOutcome:
    count = latency.size
    due = 100.0 + np.arange(count) / rate
    done = due + latency
    trustworthy = facts is TRUSTED
    return LoadOutcome(
        summary=LoadSummary(
            requests=count,
            errors=errors,
            rate=rate,
            elapsed_seconds=4.0,
            bytes_received=0,
            bytes_per_second=0.0,
            latency_ms=Figures(),
            service_time_ms=Figures(),
            queue_ms=Figures(),
            send_lag_ms=Figures(),
            generator_cpu_seconds=0.1,
            trustworthy=trustworthy,
            reasons=[] if trustworthy else ["late"],
        ),
        results=LoadResults(statuses={}, error_kinds=[], series=[], latency_histogram="", service_time_histogram=""),
        plan=LoadPlan(model="open", connections=16, requests=["GET /"], rate=rate),
        partial=False,
        latency=Histogram(),
        service_time=Histogram(),
        queue=Histogram(),
        send_lag=Histogram(),
        facts=facts,
        samples=Samples(
            number=np.arange(count),
            request_index=np.zeros(count, dtype=np.int32),
            due=due,
            free=due + waited,
            written=due + waited,
            first_byte=done,
            done=done,
            status=np.full(count, 200, dtype=np.int32),
            received_bytes=np.zeros(count, dtype=np.int64),
        ),
    )


def steady(count: int = 1600, seed: int = 1) -> np.ndarray:
    return 0.01 * np.random.default_rng(seed).lognormal(0, 0.3, count)


def test_a_steady_probe_meets_its_goals() -> None:
    probe = open_probe(outcome(400, steady()), goals=GOALS, seconds=4.0)
    assert (probe.verdict, probe.reasons) == ("met", [])
    assert abs(probe.falling_behind) < 0.001
    assert 9 < probe.latency_ms.p50 < 11
    assert (probe.rate, probe.requests, probe.throughput) == (400, 1600, 400.0)


def test_latency_that_grows_misses_them_whatever_it_is() -> None:
    growing = 0.01 + 0.02 * np.arange(1600) / 400
    probe = open_probe(outcome(400, growing), goals=GOALS, seconds=4.0)
    assert probe.verdict == "missed"
    assert probe.reasons == ["latency grew by 20 ms a second: the queue grows without end"]
    assert probe.falling_behind == pytest.approx(0.02)


def test_a_tail_misses_them() -> None:
    latency = steady()
    latency[::50] = 0.3
    probe = open_probe(outcome(400, latency), goals=GOALS, seconds=4.0)
    assert probe.reasons == ["p99<100ms: measured 300 ms"]


def test_the_first_fifth_is_not_judged() -> None:
    latency = steady()
    latency[:300] = 0.3
    assert open_probe(outcome(400, latency), goals=GOALS, seconds=4.0).verdict == "met"


def test_too_few_samples_are_no_pass() -> None:
    probe = open_probe(outcome(50, steady(200)), goals=GOALS, seconds=4.0)
    assert probe.verdict == "too few samples"
    assert probe.reasons == ["160 requests to judge by, 300 needed"]


def test_errors_miss_them() -> None:
    probe = open_probe(outcome(400, steady(), errors=16), goals=GOALS, seconds=4.0)
    assert probe.reasons == ["errors<=0.1%: 1.02 % of 1,280 requests failed"]


def test_a_probe_ended_early_has_missed_them() -> None:
    probe = open_probe(outcome(400, steady()), goals=GOALS, seconds=9.0, lost="overloaded")
    assert probe.ended_early
    assert probe.seconds == outcome(400, steady()).summary.elapsed_seconds < 9
    assert (probe.verdict, probe.reasons) == ("missed", ["overloaded"])
    empty = open_probe(outcome(400, np.empty(0)), goals=GOALS, seconds=4.0, lost="overloaded")
    assert empty.verdict == "missed"


def test_a_probe_ended_before_a_fifth_of_it_still_has_figures() -> None:
    probe = open_probe(outcome(400, steady(), errors=160), goals=GOALS, seconds=60.0, lost="failed")
    assert 9 < probe.latency_ms.p50 < 11
    assert probe.reasons[:2] == ["failed", "errors<=0.1%: 10 % of 1,280 requests failed"]


@pytest.mark.parametrize("slower", [0.0, 0.2])
def test_whether_a_probe_is_believed_does_not_depend_on_its_outcome(slower: float) -> None:
    late = msgspec.structs.replace(TRUSTED, send_lag_p99=0.02)
    probe = open_probe(outcome(400, steady() + slower, facts=late), goals=GOALS, seconds=4.0)
    assert probe.verdict == "untrustworthy"
    assert probe.reasons == ["the generator sent late: p99 send lag 20 ms, allowed 10 ms"]


def test_lateness_that_is_nothing_beside_the_goal_is_no_doubt() -> None:
    late = msgspec.structs.replace(TRUSTED, send_lag_p99=0.004, held_up=0.05)
    assert open_probe(outcome(400, steady() + 0.2, facts=late), goals=GOALS, seconds=4.0).verdict == "missed"


def test_the_share_that_waited_for_a_connection() -> None:
    assert open_probe(outcome(400, steady(), waited=0.005), goals=GOALS, seconds=4.0).waited == 1.0
    assert open_probe(outcome(400, steady()), goals=GOALS, seconds=4.0).waited == 0.0


def test_errors_come_with_an_example() -> None:
    run = outcome(400, steady(), errors=16)
    kinds = [ErrorKind(kind="status 503", count=16, example="GET / was answered with 503")]
    run.results = msgspec.structs.replace(run.results, error_kinds=kinds)
    reason = "for example GET / was answered with 503"
    assert open_probe(run, goals=GOALS, seconds=4.0).reasons[-1] == reason
    assert closed_probe(run).reasons == [reason]


def test_a_closed_probe_is_measured() -> None:
    run = outcome(400, steady())
    run.summary = msgspec.structs.replace(run.summary, errors=80)
    probe = closed_probe(run)
    assert (probe.model, probe.rate, probe.verdict, probe.throughput) == ("closed", None, "measured", 380.0)


@pytest.mark.parametrize("overload", [0.01, 0.02, 0.05, 0.5])
def test_overload_shows_as_growing_latency(overload: float) -> None:
    due = np.arange(0, 4, 1 / 400)
    noise = np.random.default_rng(3).exponential(0.002, due.size)
    trend = falling_behind(due, 0.01 + overload * due + noise)
    assert trend.growing
    assert trend.slope == pytest.approx(overload, rel=0.05)


def test_noise_a_stall_and_a_small_drift_are_no_growth() -> None:
    due = np.arange(0, 4, 1 / 400)
    for seed in range(30):
        noise = np.random.default_rng(seed).lognormal(-4, 1, due.size)
        assert not falling_behind(due, noise).growing, seed
    stall = np.where((due > 3.6) & (due < 3.8), 0.2, 0.01)
    assert not falling_behind(due, stall).growing
    assert not falling_behind(due, 0.01 + 0.001 * due).growing
    assert falling_behind(due[:40], due[:40]) is None


def progress(elapsed: float, waiting: int, *, requests: int = 1000, errors: int = 0) -> Progress:
    return Progress(
        elapsed=elapsed,
        duration=4.0,
        requests=requests,
        errors=errors,
        in_flight=min(waiting, 16),
        backlog=max(0, waiting - 16),
        rate=400.0,
        p50_ms=10.0,
        p99_ms=10.0,
        bytes_received=0,
        connections=16,
    )


def test_a_queue_that_grows_beyond_chance_ends_the_probe() -> None:
    watch = OverloadWatch(800.0, 4.0, latency=0.01, errors=0.001)
    moments = [step / 4 for step in range(1, 17)]
    ended = next(at for at in moments if watch.update(progress(at, int(400 * at))))
    assert 0.5 <= ended <= 1.0
    assert watch.reason.startswith("overloaded: ")


def test_a_full_pipeline_is_no_queue() -> None:
    watch = OverloadWatch(1000.0, 4.0, latency=0.5, errors=0.001)
    assert not any(watch.update(progress(step / 4, min(500, 250 * step))) for step in range(1, 17))


def test_more_errors_than_the_whole_probe_may_have_end_it() -> None:
    watch = OverloadWatch(400.0, 4.0, latency=0.01, errors=0.01)
    assert not watch.update(progress(1.0, 4, errors=26))
    assert watch.update(progress(1.1, 4, errors=27))
    assert watch.reason == "27 of 1,000 requests failed"


def test_recovered_means_as_fast_as_at_first() -> None:
    summary = outcome(10, steady()).summary
    calm = msgspec.structs.replace(summary, latency_ms=Figures(p50=11.0))
    assert recovered(calm, 0.01)
    assert not recovered(msgspec.structs.replace(calm, latency_ms=Figures(p50=23.0)), 0.01)
    assert not recovered(msgspec.structs.replace(calm, errors=1), 0.01)
    assert not recovered(msgspec.structs.replace(calm, requests=0), 0.01)


def test_the_errors_allowed() -> None:
    assert errors_allowed(parse_goals(["p99<1s"])) == pytest.approx(0.001)
    assert errors_allowed(parse_goals(["errors<5%"])) == pytest.approx(0.05)
