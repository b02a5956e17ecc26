from __future__ import annotations

from typing import Any

from perfloop.live.registry_feed import DURATIONS, RegistryFeed, shown_slow
from perfloop.monitoring.live import LiveRecorder
from perfloop.monitoring.requests import SlowRequest
from perfloop.telemetry import Registry

LABELS = ("http.request.method", "http.route", "http.response.status_code", "error.type")
EPOCH = 5000.0


def slow(at: float, **more: Any) -> SlowRequest:
    usual: dict[str, Any] = {
        "route": "/orders",
        "status": 200,
        "error": "",
        "duration": 1.5,
        "first_byte": 1.25,
        "breakdown": {"database": 1.4, "cpu": 0.1},
    }
    fixed: dict[str, Any] = {"method": "GET", "after_response": 0.0, "sent": 0, "statements": 1}
    return SlowRequest(at=at, **{**usual, **fixed, **more})


def recorder() -> LiveRecorder:
    return LiveRecorder("shop", processors=1, memory_bytes=1000, now=100.0, epoch=EPOCH)


def test_what_came_between_two_looks_is_counted() -> None:
    registry, live = Registry(), recorder()
    durations = registry.histogram(DURATIONS, "Time.", labels=LABELS)
    feed = RegistryFeed(live, hidden=lambda route: route.startswith("/perfloop"))
    durations.labels("GET", "/orders", "200", "").observe(0.1)
    feed.look(registry.collect(), [], 101.0, EPOCH)
    assert live.state(101.0).requests == 0  # nobody knows when that was
    for _ in range(3):
        durations.labels("GET", "/orders", "200", "").observe(0.1)
    durations.labels("GET", "/orders", "500", "ValueError").observe(2.0)
    durations.labels("GET", "", "404", "").observe(0.001)
    durations.labels("GET", "/gone", "", "disconnect").observe(0.001)
    durations.labels("GET", "/perfloop/{path}", "200", "").observe(0.001)
    feed.look(registry.collect(), [], 102.0, EPOCH)
    feed.look(registry.collect(), [], 103.0, EPOCH)
    state = live.state(103.0)
    figures = {each.route: (each.requests, each.failed) for each in state.routes}
    assert figures == {"GET /orders": (4, 1), "GET (unmatched)": (1, 0), "GET /gone": (1, 1)}
    orders = next(each for each in state.routes if each.route == "GET /orders")
    assert 100 <= (orders.p50_ms or 0) <= 107
    assert state.all_routes.parts_ms == {}


def test_after_a_long_gap_counting_begins_anew() -> None:
    registry, live = Registry(), recorder()
    durations = registry.histogram(DURATIONS, "Time.", labels=LABELS)
    feed = RegistryFeed(live)
    feed.look(registry.collect(), [], 101.0, EPOCH)
    durations.labels("GET", "/a", "200", "").observe(0.1)
    feed.look(registry.collect(), [], 200.0, EPOCH)
    assert live.state(200.0).requests == 0
    durations.labels("GET", "/a", "200", "").observe(0.1)
    feed.look(registry.collect(), [], 201.0, EPOCH)
    assert live.state(201.0).requests == 1


def test_a_service_without_the_middleware_has_no_requests() -> None:
    registry, live = Registry(), recorder()
    registry.counter(DURATIONS, "Something else.")
    feed = RegistryFeed(live)
    for now in (101.0, 102.0):
        feed.look(registry.collect(), [], now, EPOCH)
    assert live.state(102.0).status == "idle"


def test_each_slow_request_is_taken_once() -> None:
    live = recorder()
    feed = RegistryFeed(live, hidden=lambda route: route == "/hidden")
    kept = [slow(EPOCH + 102, duration=3.0), slow(EPOCH + 101), slow(EPOCH + 101, route="/hidden")]
    feed.look([], kept, 102.0, EPOCH)
    feed.look([], [slow(EPOCH + 103, duration=2.0), *kept], 103.0, EPOCH)
    # Another worker's, which it told a moment later.
    feed.look([], [slow(EPOCH + 102.9, duration=2.5, pid=8, span_id="00000000000002f1"), *kept], 104.0, EPOCH)
    assert [each.duration_ms for each in live.state(104.0).slowest] == [3000.0, 2500.0, 2000.0, 1500.0]
    found = live.find("00000000000002f1")
    assert found is not None
    assert found.pid == 8


def test_a_slow_request_as_the_page_shows_it() -> None:
    shown = shown_slow(slow(EPOCH, route="(unmatched)", error="ValueError", first_byte=None))
    assert (shown.route, shown.error, shown.first_byte_ms) == ("(unmatched)", "ValueError", 1500.0)
    assert shown.parts_ms == {"database": 1400.0, "cpu": 100.0}
