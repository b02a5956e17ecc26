from __future__ import annotations

import math

import numpy
import pytest
from prometheus_client import parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from perfloop.telemetry import DEFAULT_BUCKETS, Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.exporters.text import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE

NASTY = 'back\\slash "quote"\nnew line, é {brace} \\n'


def filled() -> Registry:
    registry = Registry()
    requests = registry.counter("http.server.requests", f"Requests. {NASTY}", labels=["http.route", "status"])
    requests.labels("/orders/{id}", 200).inc(3)
    requests.labels(NASTY, 404).inc()
    registry.gauge("in_flight", "In flight.", unit="{request}").set(2.5)
    histogram = registry.histogram("http.server.request.duration", "Duration.")
    for seconds in (0.001, 0.005, 0.3, 99):
        histogram.observe(seconds)
    registry.event("breaker.opened", "Breaker opened.").record(name="x")
    registry.observable_gauge("memory", "Memory.", unit="By", callback=lambda: 1e9)
    return registry


def samples(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = render(registry)[0].decode()
    found = {}
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_prometheus_reads_back_every_value_and_label() -> None:
    found = samples(filled())
    assert found["http_server_requests_total", (("http_route", "/orders/{id}"), ("status", "200"))] == 3
    assert found["http_server_requests_total", (("http_route", NASTY), ("status", "404"))] == 1
    assert found["in_flight", ()] == 2.5
    assert found["memory_bytes", ()] == 1e9
    assert found["breaker_opened_total", ()] == 1
    name = "http_server_request_duration_seconds"
    assert found[f"{name}_count", ()] == 4
    assert found[f"{name}_sum", ()] == pytest.approx(99.306)
    buckets = [found[f"{name}_bucket", (("le", str(bound)),)] for bound in DEFAULT_BUCKETS]
    assert buckets == [2 if bound < 0.3 else 3 for bound in DEFAULT_BUCKETS]
    assert found[f"{name}_bucket", (("le", "+Inf"),)] == 4


def test_types_and_help() -> None:
    families = {family.name: family for family in parser.text_string_to_metric_families(render(filled())[0].decode())}
    assert {name: family.type for name, family in families.items()} == {
        "breaker_opened": "counter",
        "http_server_request_duration_seconds": "histogram",
        "http_server_requests": "counter",
        "in_flight": "gauge",
        "memory_bytes": "gauge",
    }
    # The parser undoes \n and \\ in help, and so gives back what was written.
    assert families["http_server_requests"].documentation == f"Requests. {NASTY}"


def test_openmetrics_is_strictly_valid() -> None:
    body, content_type = render(filled(), accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type == OPENMETRICS_CONTENT_TYPE
    text = body.decode()
    assert text.endswith("# EOF\n")
    families = {family.name: family for family in parse_openmetrics(text)}
    assert families["http_server_requests"].type == "counter"
    assert families["http_server_requests"].documentation == f"Requests. {NASTY}"
    labels = {sample.labels["http_route"] for sample in families["http_server_requests"].samples}
    assert labels == {"/orders/{id}", NASTY}
    assert {sample.name for sample in families["breaker_opened"].samples} == {"breaker_opened_total"}


def test_text_is_what_everybody_else_gets() -> None:
    for accept in ("", "*/*", "text/plain"):
        assert render(filled(), accept=accept)[1] == TEXT_CONTENT_TYPE


def test_special_numbers() -> None:
    registry = Registry()
    for name, value in (("nan", math.nan), ("up", math.inf), ("down", -math.inf), ("tiny", 1e-300), ("yes", True)):
        registry.gauge(name, "Number.").set(value)
    found = {name: value for (name, _), value in samples(registry).items()}
    assert math.isnan(found.pop("nan"))
    assert found == {"up": math.inf, "down": -math.inf, "tiny": 1e-300, "yes": 1.0}


def test_numbers_of_other_libraries() -> None:
    registry = Registry()
    registry.gauge("size", "Size.").set(numpy.float64(1.5))
    registry.counter("rows", "Rows.").inc(numpy.int64(4))
    assert render(registry)[0].decode().splitlines()[2::3] == ["rows_total 4.0", "size 1.5"]


def test_a_lone_surrogate_costs_only_itself() -> None:
    registry = Registry()
    registry.counter("hits", "Hits.", labels=["path"]).labels("/\udcff").inc()
    assert samples(registry) == {("hits_total", (("path", "/?"),)): 1}


def test_nothing_registered() -> None:
    assert render(Registry())[0] == b""


def test_refused_labels_and_failed_callbacks_show() -> None:
    registry = Registry(max_series=1)
    routes = registry.counter("hits", "Hits.", labels=["route"])
    routes.labels("a").inc()
    routes.labels("b").inc()
    registry.observable_gauge("broken", "Broken.", callback=lambda: 1 / 0)
    found = samples(registry)
    assert found["perfloop_telemetry_dropped_labels_total", (("metric", "hits"),)] == 1
    assert found["perfloop_telemetry_callback_errors_total", (("metric", "broken"),)] == 1
    assert found["hits_total", (("route", "_overflow"),)] == 1
