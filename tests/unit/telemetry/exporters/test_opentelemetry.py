"""Exports as a collector gets them, and collectors that do not answer."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from perfloop.exceptions import InvalidValue, MissingExtra
from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.opentelemetry import OtlpExporter, _in_words, metrics_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCE = {"service.name": "perfloop"}


class Collector(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[ExportMetricsServiceRequest] = []
        self.paths: set[str] = set()


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.paths.add(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_last_state_arrives(collector: Collector) -> None:
    registry = Registry()
    requests = registry.counter("shop.requests", "Requests.", unit="{request}", labels=["route"])
    registry.gauge("shop.queue", "Waiting.").set(2.5)
    duration = registry.histogram("shop.duration", "How long.", buckets=(0.1, 1.0))
    registry.event("shop.opened", "It opened.").record()
    endpoint = f"http://127.0.0.1:{collector.server_address[1]}"
    with OtlpExporter(endpoint, registry.collect, resource=RESOURCE, interval=600) as exporter:
        requests.labels("/orders").inc(3)
        for value in (0.05, 0.5, 0.5, 5.0):
            duration.observe(value)
    assert exporter.exports == (1, 0, None)
    assert collector.paths == {"/v1/metrics"}

    (sent,) = collector.got[-1].resource_metrics
    assert ("service.name", "perfloop") in {(each.key, each.value.string_value) for each in sent.resource.attributes}
    found = {metric.name: metric for metric in sent.scope_metrics[0].metrics}
    assert set(found) == {"shop.requests", "shop.queue", "shop.duration", "shop.opened"}
    (point,) = found["shop.requests"].sum.data_points
    assert (point.as_int or point.as_double, point.attributes[0].value.string_value) == (3, "/orders")
    assert found["shop.requests"].sum.is_monotonic
    assert found["shop.requests"].unit == "{request}"
    assert found["shop.queue"].gauge.data_points[0].as_double == 2.5
    assert found["shop.opened"].sum.data_points[0].as_int == 1
    (histogram,) = found["shop.duration"].histogram.data_points
    assert (list(histogram.bucket_counts), list(histogram.explicit_bounds)) == ([1, 2, 1], [0.1, 1.0])
    assert (histogram.count, histogram.sum) == (4, 6.05)
    assert not histogram.HasField("min")
    assert 0 < point.start_time_unix_nano <= point.time_unix_nano


def test_a_collector_that_is_down_is_counted_and_named(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    exporter = OtlpExporter(
        f"http://127.0.0.1:{port}", Registry().collect, resource=RESOURCE, interval=600, timeout=0.2
    )
    with exporter:
        pass
    sent, lost, reason = exporter.exports
    assert (sent, lost) == (0, 1)
    assert reason == f"127.0.0.1:{port} took no export in time"  # of 0.2 s, which leave no time for a second attempt
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        (
            "HTTPConnectionPool(host='c', port=9): Max retries exceeded with url: /v1/metrics (Caused by "
            "NameResolutionError(\"Failed to resolve 'c' ([Errno -2] Name or service not known)\")) encountered",
            "no such host: c:9",
        ),
        (
            "(Caused by SSLError(SSLError(1, '[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)')))",
            "the TLS handshake with c:9 failed (WRONG_VERSION_NUMBER)",
        ),
        ("HTTPConnectionPool(host='c', port=9): Read timed out. (read timeout=3)", "c:9 did not answer in time"),
        ("[Errno 101] Network is unreachable", "c:9 cannot be reached from here"),
        ("('Connection aborted.', RemoteDisconnected(''))", "c:9 closed the connection without an answer"),
        (
            "Failed to export metrics batch code: 404, reason: Not Found",
            "c:9 answered 404 Not Found: does it take OTLP over HTTP there?",
        ),
        ("Failed to export batch code: 503", "c:9 answered 503: does it take OTLP over HTTP there?"),
        (
            "HTTPConnection(host='c', port=9): Failed to establish a new connection: [Errno 111] Connection refused",
            "nothing listens at c:9 (connection refused): is the collector running?",
        ),
        ("something new", "something new"),
    ],
)
def test_what_a_library_complains_of_is_said_in_our_words(complaint: str, words: str) -> None:
    assert _in_words(complaint, "c:9") == words


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/metrics"),
        ("https://collector.example/", "https://collector.example/v1/metrics"),
        ("http://localhost:4318/otlp/v1/metrics", "http://localhost:4318/otlp/v1/metrics"),
    ],
)
def test_the_path_is_added_where_there_is_none(endpoint: str, url: str) -> None:
    assert metrics_endpoint(endpoint) == url


@pytest.mark.parametrize(
    "endpoint", ["", "localhost:4318", "grpc://localhost:4317", "http://", "http://h:99999", "x y"]
)
def test_what_is_no_endpoint_is_told(endpoint: str) -> None:
    with pytest.raises(InvalidValue, match="OTLP over HTTP") as caught:
        metrics_endpoint(endpoint, where="--otlp")
    assert caught.value.where == "--otlp"


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.metric_exporter", None)
    with pytest.raises(MissingExtra) as caught:
        OtlpExporter("http://localhost:4318", Registry().collect, resource=RESOURCE)
    assert caught.value.hint == "pip install 'perfloop[opentelemetry]'"
