from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from perfloop.diagnosis.matching import match
from perfloop.diagnosis.simulation import processor_sharing

from .synthetic import MS, FakeSamples, Run, Sent

if TYPE_CHECKING:
    from perfloop.diagnosis.evidence import Evidence
    from perfloop.diagnosis.service_model import Work
    from perfloop.monitoring.observations import RequestTrace


def shared(work_ms: np.ndarray, rate: float, *, seed: int = 0) -> tuple[Evidence, np.ndarray]:
    """A service that really is one processor shared by threads, under Poisson load, and its latencies in ms."""
    random = np.random.default_rng(seed)
    run = Run([Sent(parts={"cpu": float(each) * MS}, before=0, after=0) for each in work_ms], loop=False)
    observations, samples = run.observations(), run.samples()
    due = 1_000 + np.cumsum(random.exponential(1 / rate, work_ms.size))
    done = processor_sharing(due, work_ms * MS, 1)
    for trace, arrival, departure in zip(observations.requests, due, done, strict=True):
        wait = departure - arrival - trace.parts["cpu"]
        trace.parts["interpreter_wait"] = max(wait, 0.0)
    observations.requests = [
        _at(trace, float(arrival), float(departure))
        for trace, arrival, departure in zip(observations.requests, due, done, strict=True)
    ]
    samples = FakeSamples(
        number=samples.number,
        request_index=samples.request_index,
        due=due,
        free=due,
        written=due,
        done=done,
        status=samples.status,
    )
    evidence = replace(
        run.evidence(),
        requests=match(observations, samples).requests,
        observations=observations,
        capacity_rps=1e3 / float(work_ms.mean()),
    )
    return evidence, (done - due) * 1e3


def _at(trace: RequestTrace, started: float, ended: float) -> RequestTrace:
    return msgspec.structs.replace(trace, started=started, first_byte=ended, ended=ended)


def part_of(evidence: Evidence, part: float) -> Work:
    return replace(evidence.model.work, cpu=evidence.model.work.cpu * part)


@pytest.mark.parametrize("part", [0.15, 0.3, 0.6])
def test_predicts_a_faster_service_of_the_same_kind(part) -> None:
    random = np.random.default_rng(3)
    work = random.gamma(9.0, 30 / 9, 1_500)
    evidence, _ = shared(work, rate=17)
    # The truth: the same arrivals through the same station with less work.
    _, truth = shared(work * part, rate=17)
    fixed = part_of(evidence, part)
    prediction = evidence.predict(fixed, fixed, fixed, "GET /orders")
    low, estimate, high = prediction.predicted.p99_ms
    assert estimate == pytest.approx(np.percentile(truth, 99), rel=0.15)
    assert low <= np.percentile(truth, 99) * 1.1
    assert high >= np.percentile(truth, 99) * 0.9
    assert prediction.predicted.p50_ms[1] == pytest.approx(np.percentile(truth, 50), rel=0.15)
    assert prediction.predicted.capacity_rps[1] == pytest.approx(1e3 / (30 * part), rel=0.15)


def test_no_change_predicts_what_was_measured() -> None:
    evidence, latencies = shared(np.random.default_rng(1).gamma(4.0, 5.0, 600), rate=25)
    same = evidence.model.work
    prediction = evidence.predict(same, same, same, "GET /orders")
    assert prediction.predicted.p99_ms[1] == pytest.approx(np.percentile(latencies, 99))
    assert prediction.share_of_time == pytest.approx(0, abs=1e-9)
    assert prediction.share_of_p99 == pytest.approx(0, abs=1e-9)


def test_the_same_seed_gives_the_same_interval() -> None:
    evidence, _ = shared(np.full(200, 20.0), rate=25)
    half = part_of(evidence, 0.5)
    assert evidence.predict(half, half, half, "GET /orders") == evidence.predict(half, half, half, "GET /orders")


def test_an_uncertain_saving_widens_the_interval() -> None:
    evidence, _ = shared(np.random.default_rng(1).gamma(4.0, 5.0, 400), rate=25)
    half, most, little = (part_of(evidence, part) for part in (0.5, 0.2, 0.8))
    sure = evidence.predict(half, half, half, "GET /orders").predicted.p99_ms
    unsure = evidence.predict(little, half, most, "GET /orders").predicted.p99_ms
    assert unsure[2] - unsure[0] > 1.5 * (sure[2] - sure[0])
