from __future__ import annotations

import pytest

from perfloop.telemetry.names import exposition_label, exposition_name


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.request.duration", "s", "histogram", "http_server_request_duration_seconds"),
        ("http.server.active_requests", "{request}", "gauge", "http_server_active_requests"),
        ("requests_total", "", "counter", "requests"),
        ("io", "By", "counter", "io_bytes"),
        ("io_bytes", "By", "counter", "io_bytes"),
        ("seconds", "s", "gauge", "seconds"),
        ("disk.speed", "By/s", "gauge", "disk_speed_bytes_per_second"),
        ("rate", "{request}/s", "gauge", "rate_per_second"),
        ("cpu.use", "1", "gauge", "cpu_use_ratio"),
        ("cpu.use", "1", "counter", "cpu_use"),
        ("cpu.use", "%", "gauge", "cpu_use_percent"),
        ("a-b/c", "", "gauge", "a_b_c"),
        ("temperature", "Cel", "gauge", "temperature_Cel"),
        ("job:count", "", "gauge", "job:count"),
        ("process.thread.count", "{thread}", "gauge", "process_thread"),
        ("jobs_count", "", "gauge", "jobs_count"),
    ],
)
def test_opentelemetry_names_in_prometheus(name: str, unit: str, kind: str, expected: str) -> None:
    assert exposition_name(name, unit, kind) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"), [("http.request.method", "http_request_method"), ("5xx", "_5xx"), ("ok", "ok"), ("é", "_")]
)
def test_labels(name: str, expected: str) -> None:
    assert exposition_label(name) == expected
