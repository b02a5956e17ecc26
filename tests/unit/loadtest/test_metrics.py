from __future__ import annotations

import pytest
from msgspec.structs import replace

from perfloop.loadtest import LoadOptions, Request, metrics
from perfloop.loadtest.tally import BUCKETS, tally
from perfloop.stats import Histogram
from perfloop.telemetry import Distribution
from perfloop.telemetry.exporters.text import render_families

OPTIONS = LoadOptions(url="http://shop.example:8000/", rate=100)
LABELS = metrics.attributes(OPTIONS)


def progress(**changes):
    return replace(metrics.before_start(OPTIONS), **changes)


def test_every_metric_is_there_from_the_start() -> None:
    names = {family.name for family in metrics.families(progress(target_rate=100.0), LABELS)}
    assert names == {metric.name for metric in metrics.METRICS}
    assert len(names) == len(metrics.METRICS)


def test_a_metric_without_a_value_is_left_out() -> None:
    names = {family.name for family in metrics.families(progress(), LABELS)}
    assert {metric.name for metric in metrics.METRICS} - names == {"perfloop.load.target_rate"}


def test_kinds_of_errors_and_statuses_are_labels() -> None:
    text = render_families(
        metrics.families(
            progress(requests=7, error_kinds={"timeout": 2, 'od"d\n': 1}, statuses={"200": 4, "503": 3}), LABELS
        )
    )
    common = 'server_address="shop.example",server_port="8000",http_request_method="GET"'
    assert f"perfloop_load_requests_total{{{common}}} 7" in text
    assert f'perfloop_load_errors_total{{{common},error_type="timeout"}} 2' in text
    assert 'error_type="od\\"d\\n"} 1' in text
    assert f'perfloop_load_responses_total{{{common},http_response_status_code="503"}} 3' in text


def test_a_distribution_keeps_its_counts() -> None:
    found = progress(latency=tally(Histogram([50, 900, 30_000, 20_000_000])))
    family = next(each for each in metrics.families(found, LABELS) if each.name == "perfloop.load.latency")
    value = family.series[0].value
    assert isinstance(value, Distribution)
    assert value.cumulative() == list(found.latency.counts[:-1])
    assert (value.count, value.buckets) == (4, BUCKETS)
    assert value.sum == pytest.approx(20.03095, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (OPTIONS, {"server.address": "shop.example", "server.port": "8000", "http.request.method": "GET"}),
        (
            LoadOptions(url="http+unix://%2Frun%2Fapp.sock/", method="POST"),
            {"server.address": "/run/app.sock", "http.request.method": "POST"},
        ),
        (
            LoadOptions(url="https://user:s3cret@a.example/", requests=(Request(), Request(method="PUT"))),
            {"server.address": "a.example", "server.port": "443"},
        ),
    ],
)
def test_attributes_name_the_target_and_no_secret(options: LoadOptions, expected: dict[str, str]) -> None:
    assert metrics.attributes(options) == expected
