from __future__ import annotations

import msgspec
import numpy as np
import pytest

from perfloop.diagnosis import compare_records
from perfloop.diagnosis.comparison import overall
from perfloop.diagnosis.record_comparison import blocks
from perfloop.exceptions import ConfigurationError
from perfloop.records import (
    ComparisonRecord,
    DiagnosisRecord,
    Figures,
    LoadPlan,
    LoadRecord,
    LoadResults,
    LoadSummary,
    MetricComparison,
    SeriesPoint,
    current_environment,
)

from ..reporting.sample_capacities import capacity
from ..reporting.sample_records import SAMPLES


def record(p50: float, *, seconds: int = 32, rate: float = 200, errors: int = 0, seed: int = 0, **plan) -> LoadRecord:
    random = np.random.default_rng(seed)
    noise = random.normal(1.0, 0.03, seconds)
    figures = Figures(mean=p50, p50=p50, p95=2 * p50, p99=3 * p50, p999=3 * p50, max=4 * p50)
    requests = int(rate * seconds)
    return LoadRecord(
        environment=current_environment(),
        target="http://127.0.0.1:8000",
        plan=LoadPlan(**{"model": "open", "connections": 10, "requests": ["GET /"], "rate": rate, **plan}),
        summary=LoadSummary(
            requests=requests,
            errors=errors,
            rate=rate,
            elapsed_seconds=seconds,
            bytes_received=0,
            bytes_per_second=0,
            latency_ms=figures,
            service_time_ms=figures,
            queue_ms=Figures(),
            send_lag_ms=Figures(),
            generator_cpu_seconds=0.1,
            trustworthy=True,
        ),
        results=LoadResults(
            statuses={"200": requests},
            error_kinds=[],
            latency_histogram="",
            service_time_histogram="",
            series=[
                SeriesPoint(
                    second=second,
                    requests=int(rate * noise[-second]),
                    errors=0,
                    bytes_received=0,
                    in_flight=1,
                    p50_ms=p50 * noise[second],
                    p99_ms=3 * p50 * noise[second],
                )
                for second in range(seconds)
            ],
        ),
    )


@pytest.mark.parametrize(
    ("p50", "verdict"), [(5.0, "faster"), (20.0, "slower"), (10.1, "no difference"), (10.3, "no difference")]
)
def test_only_what_exceeds_the_difference_between_runs_counts(p50, verdict) -> None:
    compared = compare_records(record(10.0), record(p50, seed=1), name_a="before.json", name_b="after.json")
    assert compared.verdict == verdict
    assert (compared.a, compared.b, compared.runs) == ("before.json", "after.json", 1)
    assert "one run each" in compared.reasons[-1]
    assert [metric.metric for metric in compared.metrics] == ["latency p99", "latency p50", "throughput", "errors"]


def test_few_requests_a_second_let_the_median_decide() -> None:
    compared = compare_records(record(10.0, rate=20), record(5.0, rate=20, seed=1))
    assert compared.metrics[0].metric == "latency p50"
    assert compared.verdict == "faster"
    assert compared.metrics[1].verdict == "not enough data"


def test_throughput_is_compared_only_where_it_was_not_prescribed() -> None:
    opened = compare_records(record(10.0), record(10.0, seed=1))
    assert opened.metrics[2].verdict == "not enough data"
    closed = compare_records(
        record(10.0, model="closed"), record(5.0, model="closed", seed=1, rate=400), name_b="after"
    )
    assert (closed.metrics[2].metric, closed.metrics[2].verdict) == ("throughput", "faster")


@pytest.mark.parametrize(
    ("a", "b", "why"),
    [
        (record(10.0), record(5.0, seconds=4), "B lasted 4 s, which is too short: both runs must last 8 s or more"),
        (record(10.0), record(5.0, requests=["GET /other"]), "different requests"),
        (record(10.0), record(5.0, profile="ramp 1..2 3s"), "different profiles"),
        (record(10.0), record(5.0, think_time="1s"), "thought for different times"),
        (record(10.0), record(5.0, model="closed"), "model"),
        (record(10.0, model="closed"), record(5.0, model="closed", connections=20), "in flight"),
        (record(10.0), record(5.0, rate=100), "less to do"),
        (record(10.0), record(5.0, errors=6_000), "one run each"),
    ],
    ids=[
        "too short",
        "other requests",
        "other profile",
        "other thinking",
        "other model",
        "other concurrency",
        "less load",
        "only errors",
    ],
)
def test_what_cannot_be_compared_says_why(a, b, why) -> None:
    compared = compare_records(a, b)
    assert compared.verdict == "not enough data"
    assert any(why in reason for reason in compared.reasons)


def test_a_run_that_drifts_is_named() -> None:
    drifting = record(10.0)
    series = [
        msgspec.structs.replace(point, p50_ms=10.0 + point.second, p99_ms=30.0 + point.second)
        for point in drifting.results.series
    ]
    results = msgspec.structs.replace(drifting.results, series=series)
    compared = compare_records(msgspec.structs.replace(drifting, results=results), record(5.0))
    assert compared.reasons[0] == "A was not steady: its latency drifted from second to second"


def test_what_too_short_runs_measured_is_still_shown() -> None:
    compared = compare_records(
        record(10.0, seconds=1, model="closed"), record(10.0, seconds=1, model="closed", rate=300)
    )
    throughput = compared.metrics[2]
    assert (throughput.a, throughput.b, throughput.ratio) == (200.0, 300.0, None)
    assert throughput.verdict == "not enough data"


def test_an_untrustworthy_record_decides_nothing() -> None:
    bad = record(5.0)
    summary = msgspec.structs.replace(bad.summary, trustworthy=False, reasons=["the generator sent late"])
    compared = compare_records(record(10.0), msgspec.structs.replace(bad, summary=summary))
    assert compared.verdict == "not enough data"
    assert "B is not trustworthy: the generator sent late" in compared.reasons


def test_more_load_and_still_faster_is_faster() -> None:
    assert compare_records(record(10.0, rate=100), record(5.0, rate=200, seed=1)).verdict == "faster"


def test_a_capacity_search_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError) as error:
        compare_records(capacity(), record(1.0), name_a="c.json")
    assert error.value.where == "c.json"
    assert "a capacity search" in str(error.value)


def test_comparisons_are_no_measurement() -> None:
    comparison = ComparisonRecord(
        environment=current_environment(), a="a", b="b", runs=5, confidence=0.95, metrics=[], verdict="faster"
    )
    with pytest.raises(ConfigurationError, match="record of a load test"):
        compare_records(record(1.0), comparison)


def test_independent_seconds_are_blocks_of_their_own() -> None:
    values = np.random.default_rng(2).normal(10, 1, 30).tolist()
    assert blocks(values) == pytest.approx(values)


def test_a_trend_makes_blocks_longer_and_in_the_end_none() -> None:
    random = np.random.default_rng(5)
    walk = np.convolve(random.normal(0, 1, 203), np.ones(4) / 4, mode="valid")
    merged = blocks(walk.tolist())
    assert 5 <= len(merged) <= 100
    assert blocks(np.arange(60.0).tolist()) == []
    assert blocks([1.0] * 4) == []
    assert len(blocks([1.0] * 20)) == 20


def test_failing_is_not_faster() -> None:
    metric = MetricComparison(metric="latency p50", unit="ms", a=10, b=1, ratio=(0.1, 0.1, 0.1), verdict="faster")
    assert overall([metric], [0.0] * 5, [0.0] * 5) == "faster"
    assert overall([metric], [0.0] * 5, [1.0] * 5) == "not enough data"
    assert overall([], [], []) == "not enough data"


def test_a_series_of_days_makes_a_bounded_number_of_blocks_in_a_bounded_number_of_steps() -> None:
    generator = np.random.default_rng(0)
    steady = blocks(generator.random(300_000).tolist())
    assert 5 <= len(steady) <= 500
    assert np.mean(steady) == pytest.approx(0.5, abs=0.01)
    assert len(blocks(generator.normal(0, 1, 300_000).cumsum().tolist())) < 50


OTHERS = {name: record for name, record in SAMPLES.items() if not isinstance(record, LoadRecord | DiagnosisRecord)}


@pytest.mark.parametrize("name", OTHERS)
def test_a_record_of_another_kind_is_refused_in_words(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected the record of a load test or a diagnosis"):
        compare_records(OTHERS[name], record(1.0))
