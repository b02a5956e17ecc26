"""What correct means: the laws that hold for any service, and services whose true figures are known."""

from __future__ import annotations

import asyncio
import os
import signal

import msgspec
import numpy as np
import pytest

from perfloop.loadtest import LoadOptions, ThinkTime, run_sync
from perfloop.loadtest.arrivals import arrival, parse_profile


async def test_a_pause_of_the_service_is_in_the_latencies_as_the_analysis_says(service) -> None:
    """Gil Tene's pause test: the requests due in a pause of S seconds wait uniformly between 0 and S."""
    target = service()
    rate, duration, pause = 500, 3.0, 0.8
    options = LoadOptions(url=target.url, connections=8, rate=rate, duration=duration, keep_samples=True)
    running = asyncio.ensure_future(asyncio.to_thread(run_sync, options))
    await asyncio.sleep(0.8)
    os.kill(target.pid, signal.SIGSTOP)
    await asyncio.sleep(pause)
    os.kill(target.pid, signal.SIGCONT)
    outcome = await running

    assert outcome.summary.requests == rate * duration
    assert outcome.summary.errors == 0
    latency = outcome.samples.done - outcome.samples.due
    # A busy machine lets the service sleep longer than it was stopped: what it really was away is the longest wait.
    stopped = latency.max()
    assert stopped >= pause - 1 / rate
    # The requests due in the pause waited, evenly between nothing and the whole pause.
    waited = np.sort(latency[latency > 0.2 * stopped])
    assert len(waited) == pytest.approx(rate * stopped * 0.8, rel=0.25)
    for share in (0.25, 0.5, 0.75):
        assert np.quantile(waited, share) == pytest.approx(stopped * (0.2 + 0.8 * share), rel=0.25)
    # The analysis: p99 is what is left of the pause when 1 % of all requests are longer.
    assert outcome.summary.latency_ms.p99 / 1000 == pytest.approx(stopped - 0.01 * duration, rel=0.1)
    # Measured from the late send, as most tools do, the pause would have vanished but for what was in flight.
    uncorrected = np.quantile(outcome.samples.done - outcome.samples.written, 0.99)
    assert uncorrected < 0.3 * outcome.summary.latency_ms.p99 / 1000
    # The wait is the service's: in the queue, not in the generator's lag.
    assert outcome.summary.queue_ms.max / 1000 > 0.8 * stopped
    assert not [reason for reason in outcome.summary.reasons if "stopped" in reason]


async def test_little_s_law_holds_in_the_closed_model(service) -> None:
    target = service("bimodal")
    outcome = await asyncio.to_thread(run_sync, LoadOptions(url=target.url, connections=8, duration=1))
    in_flight = outcome.summary.rate * outcome.summary.latency_ms.mean / 1000
    assert in_flight == pytest.approx(8, rel=0.1)


@pytest.mark.parametrize("delays", ["constant", "bimodal", "pareto"])
@pytest.mark.parametrize("rate", [None, 200], ids=["closed", "open"])
async def test_a_known_distribution_is_measured_as_it_was_served(service, delays, rate) -> None:
    # Enough connections that nothing queues: then latency is the delay and a little for the way.
    options = LoadOptions(url="", connections=100 if rate else 4, rate=rate, duration=1.0, keep_samples=True)
    for _ in range(4):  # on a busy machine the way may take long for once, but not again and again
        target = service(delays)
        outcome = await asyncio.to_thread(run_sync, msgspec.structs.replace(options, url=target.url))
        served = np.sort([took for _, took in target.seen()])
        measured = np.sort(outcome.samples.done - outcome.samples.due)
        assert len(served) == len(measured)
        assert (measured >= served).all()
        # The distance is Kolmogorov–Smirnov's, with 5 ms for the way.
        grid = np.unique(np.concatenate([served, measured]))
        below_served = np.searchsorted(served, grid, side="right") / len(served)
        below_measured = np.searchsorted(measured, grid + 0.005, side="right") / len(measured)
        distance = np.max(below_served - below_measured)
        if distance < 0.2:
            break
    assert distance < 0.2


@pytest.mark.parametrize("spacing", ["constant", "poisson"])
@pytest.mark.parametrize(
    "profile", ["400 500ms", "ramp 0..800 200ms, pause 100ms, steps 100 500 each 100ms", "sine 0..800 500ms"]
)
async def test_requests_arrive_at_the_server_as_planned(service, profile, spacing) -> None:
    target = service()
    options = LoadOptions(
        url=target.url, connections=8, profile=parse_profile(profile), arrival=spacing, seed=7, keep_samples=True
    )
    outcome = await asyncio.to_thread(run_sync, options)
    planned = arrival(options.profile, spacing, 7).dues(0, outcome.summary.requests)
    assert outcome.summary.requests == pytest.approx(options.profile.curve().total, abs=60)
    samples = outcome.samples
    by_number = np.argsort(samples.number)
    due = samples.due[by_number]
    assert due - due[0] == pytest.approx(planned - planned[0], abs=1e-6)
    arrived = np.sort([at for at, _ in target.seen()])
    assert len(arrived) == len(due)
    # Never early; late by the send lag and what the machine is up to.
    late = arrived - due
    assert late.min() >= 0
    assert np.median(late) < 0.01


@pytest.mark.parametrize("think_time", [0.05, ThinkTime(0.02, 0.08), ThinkTime(0.05, exponential=True)])
async def test_users_think_between_an_answer_and_their_next_request(service, think_time) -> None:
    target = service("constant")
    options = LoadOptions(url=target.url, connections=8, think_time=think_time, duration=1.0, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    summary, samples = outcome.summary, outcome.samples
    assert summary.errors == 0
    # Little's law with thinking: each of 8 users is either waiting for an answer or thinking.
    cycle = summary.latency_ms.mean / 1000 + 0.05
    assert summary.requests == pytest.approx(8 * summary.elapsed_seconds / cycle, rel=0.25)
    # A request is due after the thinking, and sent then: its latency is the service's, without the thinking.
    assert (samples.due <= samples.free).all()
    assert np.median(samples.done - samples.due) < 0.05
    assert samples.due.min() - outcome.samples.written.min() < 0.01
    assert outcome.plan.model == "closed"


async def test_a_pace_is_kept_from_start_to_start(service) -> None:
    target = service("constant")
    options = LoadOptions(url=target.url, connections=1, pacing=0.05, duration=1.0, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    samples = outcome.samples
    assert np.diff(samples.written).min() >= 0.0499
    assert np.diff(samples.due) == pytest.approx(0.05 + samples.written[:-1] - samples.due[:-1], abs=1e-6)
    assert 10 <= len(samples) <= 20


async def test_a_service_slower_than_the_pace_is_charged_with_the_delay(service) -> None:
    target = service("constant")
    options = LoadOptions(url=target.url, connections=4, pacing=0.01, duration=0.6, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    samples, summary = outcome.samples, outcome.summary
    # Answers take 20 ms: each request but a connection's first is due 10 ms before the connection is free.
    assert np.median(samples.free - samples.due) == pytest.approx(
        np.median(samples.done - samples.written) - 0.01, rel=0.2
    )
    assert summary.queue_ms.p50 > 5
    assert np.median(samples.written - samples.free) < 0.002
    # Never more than one request at a time a user.
    assert summary.requests <= 4 * (summary.elapsed_seconds / 0.02 + 1)
