"""What a run counts agrees with itself, however busy the machine is."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from perfloop.loadtest import LoadOptions, run, run_sync

from .serving import OK, serve


async def test_the_parts_of_the_latency_add_up(service) -> None:
    target = service("bimodal")
    options = LoadOptions(url=target.url, connections=2, rate=150, duration=1.0, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    samples, summary = outcome.samples, outcome.summary
    assert (samples.due <= samples.free).all()
    assert (samples.free <= samples.written).all()
    assert (samples.written <= samples.first_byte).all()
    assert (samples.first_byte <= samples.done).all()
    mean = summary.queue_ms.mean + summary.send_lag_ms.mean + summary.service_time_ms.mean
    assert mean == pytest.approx(summary.latency_ms.mean, rel=0.01, abs=0.01)
    # Two connections cannot do 150/s at 20 ms each: the rest waited its turn, in order, and none was dropped.
    assert summary.requests == 150
    assert summary.queue_ms.max > 100
    assert (np.diff(samples.written[np.argsort(samples.number)]) >= 0).all()


async def test_no_more_than_the_connections_are_in_flight(service) -> None:
    target = service("constant")
    options = LoadOptions(url=target.url, connections=3, rate=300, duration=0.7, timeout=3, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    samples = outcome.samples
    moments = np.concatenate([samples.written, samples.done])
    change = np.concatenate([np.ones(len(samples)), -np.ones(len(samples))])
    assert np.cumsum(change[np.lexsort((change, moments))]).max() == 3
    assert outcome.summary.requests == 210


async def test_figures_of_the_series_and_the_histograms_agree_with_the_samples(service) -> None:
    target = service()
    options = LoadOptions(url=target.url, connections=4, rate=1000, duration=1.3, keep_samples=True)
    outcome = await asyncio.to_thread(run_sync, options)
    samples, series = outcome.samples, outcome.results.series
    assert sum(point.requests for point in series) == len(samples) == outcome.summary.requests == 1300
    assert sum(point.bytes_received for point in series) == outcome.summary.bytes_received
    assert [point.second for point in series] == list(range(len(series)))
    assert outcome.latency.count == outcome.service_time.count == outcome.queue.count == outcome.send_lag.count == 1300
    latency = np.sort(samples.done - samples.due) * 1000
    assert outcome.summary.latency_ms.p99 == pytest.approx(latency[math.ceil(0.99 * 1300) - 1], rel=0.01, abs=0.002)
    assert outcome.summary.latency_ms.max == pytest.approx(latency[-1], rel=0.01, abs=0.002)
    assert outcome.latency.decode(outcome.results.latency_histogram).count == 1300


async def test_the_engine_runs_beside_other_work_on_the_loop(service) -> None:
    target = service()
    first, second = await asyncio.gather(
        run(LoadOptions(url=target.url, connections=2, request_limit=50)),
        run(LoadOptions(url=target.url, connections=2, rate=100, duration=0.3)),
    )
    assert first.summary.requests == 50
    assert second.summary.requests == 30
    assert len(target.seen()) == 80


async def test_users_come_back_after_a_connection_that_was_closed(service) -> None:
    async def answer_and_close(exchange) -> None:
        await exchange.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        exchange.close()

    async with serve(answer_and_close) as server:
        outcome = await run(
            LoadOptions(url=server.url, connections=3, think_time=0.02, request_limit=30, duration=None)
        )
    assert (outcome.summary.requests, outcome.summary.errors) == (30, 0)
