from __future__ import annotations

from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.opentelemetry_meter import MeterBridge


def collected(reader: InMemoryMetricReader) -> dict[str, Any]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: (
            type(metric.data).__name__,
            metric.unit,
            [(dict(p.attributes), p.value) for p in metric.data.data_points],
        )  # type: ignore[union-attr, arg-type]
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def test_counters_gauges_and_events_keep_names_units_and_labels() -> None:
    registry, reader = Registry(), InMemoryMetricReader()
    requests = registry.counter("http.server.requests", "Requests.", labels=["http.route"], unit="{request}")
    requests.labels("/orders").inc(2)
    registry.gauge("http.server.active_requests", "In flight.", unit="{request}").set(3)
    registry.event("breaker.opened", "Opened.").record()
    registry.histogram("http.server.request.duration", "Duration.").observe(1)
    bridge = MeterBridge(MeterProvider([reader]).get_meter("shop"), registry)
    requests.labels("/orders").inc()
    assert collected(reader) == {
        "http.server.requests": ("Sum", "{request}", [({"http.route": "/orders"}, 3)]),
        "http.server.active_requests": ("Gauge", "{request}", [({}, 3)]),
        "breaker.opened": ("Sum", "", [({}, 1)]),
    }
    assert bridge.update() == []


def test_what_comes_later_is_added_and_what_goes_is_gone() -> None:
    registry, reader = Registry(), InMemoryMetricReader()
    bridge = MeterBridge(MeterProvider([reader]).get_meter("shop"), registry)
    registry.counter("later", "Later.").inc()
    assert collected(reader) == {}
    assert bridge.update() == ["later"]
    assert collected(reader) == {"later": ("Sum", "", [({}, 1)])}
    registry.unregister("later")
    assert collected(reader).get("later", ("Sum", "", []))[2] == []
