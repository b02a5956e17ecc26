from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.records import Figures, LoadSummary
from perfloop.thresholds import Distribution, enough_for, judge, parse_condition, parse_limit, too_few

LATENCY = Figures(mean=20.0, p50=10.0, p95=80.0, p99=120.0, p999=300.0, max=400.0)


def summary(*, requests: int = 1000, errors: int = 2) -> LoadSummary:
    return LoadSummary(
        requests=requests,
        errors=errors,
        rate=100.0,
        elapsed_seconds=10.0,
        bytes_received=5_000_000,
        bytes_per_second=500_000.0,
        latency_ms=LATENCY,
        service_time_ms=Figures(p50=5.0, p99=60.0),
        queue_ms=Figures(p99=40.0),
        send_lag_ms=Figures(max=3.0),
        generator_cpu_seconds=1.0,
        trustworthy=True,
    )


def percentile(distribution: Distribution, quantile: float) -> float:
    return {"latency": 1000.0, "service_time": 2000.0, "queue": 3000.0, "send_lag": 4000.0}[distribution] + quantile


@pytest.mark.parametrize(
    ("text", "measured", "unit", "failed"),
    [
        ("p99>100ms", 120.0, "ms", True),
        ("p99>120ms", 120.0, "ms", False),
        ("p99>=120ms", 120.0, "ms", True),
        ("p50<0.01s", 10.0, "ms", False),
        ("p50<=0.01s", 10.0, "ms", True),
        ("max > 400000us", 400.0, "ms", False),
        ("mean>15ms", 20.0, "ms", True),
        ("p999>299ms", 300.0, "ms", True),
        ("p99.9>299ms", 300.0, "ms", True),
        ("p99>0", 120.0, "ms", True),
        ("p90>1s", 1090.0, "ms", True),
        ("p9999>1s", 1099.99, "ms", True),
        ("p99.5>1.2s", 1099.5, "ms", False),
        ("p100>1s", 1100.0, "ms", True),
        ("service_time_p99>50ms", 60.0, "ms", True),
        ("service_time_p75>50ms", 2075.0, "ms", True),
        ("queue_p99>50ms", 40.0, "ms", False),
        ("queue_p90>3s", 3090.0, "ms", True),
        ("send_lag_max>2ms", 3.0, "ms", True),
        ("errors>0", 2.0, "", True),
        ("errors>2", 2.0, "", False),
        ("errors>0.1%", 0.2, "%", True),
        ("errors>1%", 0.2, "%", False),
        ("requests<1001", 1000.0, "", True),
        ("rate<150", 100.0, "requests/s", True),
        ("rate<99.5/s", 100.0, "requests/s", False),
        ("bytes_per_second<1MB", 500_000.0, "bytes/s", True),
        ("bytes_per_second<1kB/s", 500_000.0, "bytes/s", False),
    ],
)
def test_conditions_are_judged(text: str, measured: float, unit: str, failed: bool) -> None:
    result = judge(parse_condition(text), summary(), percentile)
    assert result.expression == text
    assert result.measured == pytest.approx(measured)
    assert (result.unit, result.failed) == (unit, failed)


@pytest.mark.parametrize("text", ["p99>1ms", "p99<1h", "errors>0", "rate<1", "errors>1%", "service_time_p12>1ms"])
def test_without_a_finished_request_every_figure_fails(text: str) -> None:
    result = judge(parse_condition(text), summary(requests=0, errors=0), percentile)
    assert result.measured is None
    assert result.failed


def test_a_count_of_requests_is_judged_even_when_it_is_zero() -> None:
    assert judge(parse_condition("requests<1"), summary(requests=0), percentile).failed
    assert not judge(parse_condition("requests>1"), summary(requests=0), percentile).failed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a metric, one of > >= < <=, and a limit"),
        ("p99", "a metric, one of > >= < <=, and a limit"),
        ("p99=500ms", "a metric, one of > >= < <=, and a limit"),
        ("p99==500ms", "a metric, one of > >= < <=, and a limit"),
        (">500ms", "a metric, one of > >= < <=, and a limit"),
        ("p99>", "a metric, one of > >= < <=, and a limit"),
        ("p99>500", "a duration with its unit"),
        ("p99>fast", "a duration such as"),
        ("p99>-1ms", "a duration such as"),
        ("p99>1%", "a duration"),
        ("errors>0.5", "a whole number after errors"),
        ("errors>150%", "a share"),
        ("requests<1.5", "a whole number after requests"),
        ("rate<many", "requests a second"),
        ("bytes_per_second<1s", "a size"),
        ("p1000>1s", "Expected a metric"),
        ("queue_p1000>1s", "Expected a metric"),
        ("latency>1s", "Expected a metric"),
    ],
)
def test_a_bad_condition_says_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_condition(text, where="--fail-if")
    assert says in caught.value.message
    assert caught.value.where == "--fail-if"


def test_the_nearest_metric_is_suggested() -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_condition("eror>1")
    assert caught.value.hint == "did you mean errors?"


@pytest.mark.parametrize(("q", "need"), [(50, 5), (95, 59), (99, 299), (99.9, 2995)])
def test_how_many_values_a_percentile_takes(q: float, need: int) -> None:
    assert enough_for(q) == need
    assert (q / 100) ** need <= 0.05 < (q / 100) ** (need - 1)


@pytest.mark.parametrize(
    ("text", "count", "few"),
    [
        ("p99>10s", 298, True),
        ("p99>10s", 299, False),
        ("p95>10s", 58, True),
        ("p95>10s", 59, False),
        ("service_time_p999>10s", 2000, True),
        ("max>10s", 1, False),
        ("mean>10s", 1, False),
        ("p100>10s", 1, False),
        ("errors>0%", 1, False),
        ("rate<5", 1, False),
        ("p99>10s", 0, False),  # nothing was measured: that fails anyway
        ("p99>1ms", 20, False),  # all of them are slower: broken beyond doubt
        ("p99<1ms", 20, True),
    ],
)
def test_a_percentile_needs_values_beyond_it(text: str, count: int, few: bool) -> None:
    reason = too_few(parse_condition(text), lambda _distribution: count, percentile)
    assert (reason is not None) is few
    if reason is not None:
        assert f"{count:,} were timed" in reason
        assert "times as long" in reason


def test_one_slow_request_of_twenty_breaks_a_p99_only_perhaps() -> None:
    def slow_at_the_top(_distribution: Distribution, q: float) -> float:
        return 900.0 if q > 95 else 5.0

    assert too_few(parse_condition("p99>500ms"), lambda _: 20, slow_at_the_top) is not None
    assert too_few(parse_condition("p95>4ms"), lambda _: 20, slow_at_the_top) is None


@pytest.mark.parametrize(
    ("text", "instead"), [("p99<50ms", "p99>=50ms"), ("queue_max <= 1s", "queue_max > 1s"), ("errors<1%", "errors>=1%")]
)
def test_a_goal_is_no_limit(text: str, instead: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_limit(text, where="--fail-if")
    assert caught.value.hint is not None
    assert f'write "{instead}"' in caught.value.hint
    assert parse_limit(instead) == parse_condition(instead)


@pytest.mark.parametrize("text", ["rate<950", "requests<=10", "p99>50ms", "errors>0"])
def test_limits(text: str) -> None:
    assert parse_limit(text) == parse_condition(text)
