"""Metrics of a run while it lasts: scraped, and exported."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import PERFLOOP

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Perfloop


def test_a_run_can_be_scraped_while_it_lasts(service: str, workplace: Path) -> None:
    words = ["load", f"{service}/products", "--rate", "200", "--duration", "1s", "--no-live", "--json"]
    command = subprocess.Popen(
        [PERFLOOP, *words, "--prometheus", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stderr is not None
    match = re.fullmatch(r"metrics  (http://127\.0\.0\.1:\d+/metrics)\n", command.stderr.readline())
    assert match is not None
    seen = 0.0
    while command.poll() is None and not seen:
        with urllib.request.urlopen(match[1], timeout=10) as response:
            text = response.read().decode()
        found = {
            sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples
        }
        seen = found["perfloop_load_requests_total"]
    output, _ = command.communicate(timeout=60)
    assert command.returncode in (0, 3)
    assert 0 < seen <= json.loads(output)["summary"]["requests"]
    assert found["perfloop_load_latency_seconds_count"] == found["http_client_request_duration_seconds_count"] == seen
    assert found["perfloop_load_target_rate_per_second"] > 0


class Collector(BaseHTTPRequestHandler):
    got: list[ExportMetricsServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_the_last_export_has_every_request(perfloop: Perfloop, service: str) -> None:
    Collector.got = []
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = threading.Thread(target=collector.serve_forever, args=(0.01,))
        thread.start()
        try:
            run = perfloop(
                *("load", f"{service}/broken", "--requests", "30", "--json", "--no-live"),
                *("--otlp", f"http://127.0.0.1:{collector.server_port}"),
            )
        finally:
            collector.shutdown()
            thread.join()
    assert run.returncode in (1, 3), run.stderr  # not one request succeeded
    assert "exports were lost" not in run.stderr
    metrics = {metric.name: metric for metric in Collector.got[-1].resource_metrics[0].scope_metrics[0].metrics}
    assert metrics["perfloop.load.requests"].sum.data_points[0].as_int == 30
    (failed,) = metrics["perfloop.load.errors"].sum.data_points
    assert failed.as_int == 30
    assert {each.key: each.value.string_value for each in failed.attributes}["error.type"] == "status 500"
    assert metrics["http.client.request.duration"].histogram.data_points[0].count == 30
    assert metrics["http.client.request.duration"].unit == "s"


def test_a_collector_that_is_down_fails_nothing(perfloop: Perfloop, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    run = perfloop("load", f"{service}/products", "--requests", "20", "--no-live", "--otlp", f"http://127.0.0.1:{port}")
    assert run.returncode in (0, 3), run.stderr
    assert f"\nopentelemetry: 1 of 1 exports were lost: nothing listens at 127.0.0.1:{port}" in f"\n{run.stderr}"


def test_a_port_in_use_is_told_before_anything_is_sent(perfloop: Perfloop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        run = perfloop("load", "127.0.0.1:1", "--prometheus", str(other.getsockname()[1]))
    assert run.returncode == 2
    assert "error: Expected an address that metrics can be served on: Address already in use" in run.stderr
    assert "where  --prometheus" in run.stderr
