"""Prometheus itself reads what perfloop exposes."""

from __future__ import annotations

import subprocess
import time

import pytest

from perfloop.monitoring import Alerts, ObjectiveMonitor, ResourceMonitor
from perfloop.targets import Targets
from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.exporters.scrape import ScrapeServer

from ...servers.processes import require
from ...servers.prometheus import run_prometheus

pytestmark = pytest.mark.services


def filled() -> Registry:
    registry = Registry(max_series=2)
    requests = registry.counter("http.server.requests", 'Requests, "quoted" \\ and\nbroken.', labels=["http.route"])
    for route in ("/orders/{id}", 'na"s\nty\\', "/beyond"):
        requests.labels(route).inc(3)
    registry.gauge("http.server.active_requests", "In flight.", unit="{request}").set(2)
    histogram = registry.histogram("http.server.request.duration", "Duration.")
    for number in range(1, 101):
        histogram.observe(number / 100)
    registry.event("breaker.opened", "Breakers opened.").record(name="x")
    registry.observable_gauge("process.memory.usage", "Memory.", unit="By", callback=lambda: 1e9)
    return registry


def test_promtool_accepts_the_text() -> None:
    promtool = require("promtool", package="prometheus")
    body, _ = render(filled())
    run = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60)
    assert (run.returncode, run.stdout + run.stderr) == (0, b"")


def test_promtool_accepts_all_that_is_monitored() -> None:
    promtool = require("promtool", package="prometheus")
    registry = Registry()
    Alerts([], registry=registry)
    with ResourceMonitor(registry) as resources:
        resources.sample()
        ObjectiveMonitor(Targets(), registry, uses=resources.uses).judge()
        body, _ = render(registry)
    assert len(registry.collect()) > 20
    run = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60)
    assert (run.returncode, run.stdout + run.stderr) == (0, b"")


def test_promtool_can_refuse() -> None:
    promtool = require("promtool", package="prometheus")
    run = subprocess.run([promtool, "check", "metrics"], input=b"not metrics\n", capture_output=True, timeout=60)
    assert run.returncode != 0


def test_prometheus_scrapes_native_histograms() -> None:
    registry = filled()
    with (
        ScrapeServer("127.0.0.1", 0, registry.collect_all) as server,
        run_prometheus(server.url.removeprefix("http://").removesuffix("/metrics")) as prometheus,
    ):
        deadline = time.monotonic() + 30
        while not prometheus.query("http_server_requests_total"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        [p90] = prometheus.query("histogram_quantile(0.9, http_server_request_duration_seconds)")
        routes = {row["metric"]["http_route"] for row in prometheus.query("http_server_requests_total")}
        [memory] = prometheus.query("process_memory_usage_bytes")
    # From classic buckets it would be 0.9 by their interpolation, but then the name alone would find nothing.
    assert float(p90["value"][1]) == pytest.approx(0.9, rel=0.03)
    assert routes == {"/orders/{id}", 'na"s\nty\\', "_overflow"}
    assert float(memory["value"][1]) == 1e9
