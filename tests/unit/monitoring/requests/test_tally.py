"""The tally: what waits is read, and a forked child begins with nothing in flight."""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Any

from perfloop.monitoring.requests import PerformanceMiddleware, WSGIPerformanceMiddleware, requests_in_flight
from perfloop.monitoring.requests.tally import FULL, LABELS, tally_of
from perfloop.telemetry import Registry

from .calling import call, call_wsgi, counted, values

HELLO = ("GET", "(unmatched)", "200", "")


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def test_an_instrument_that_is_read_by_itself_has_what_waits() -> None:
    registry = Registry()
    app = PerformanceMiddleware(hello, registry=registry, breakdown=False)
    for _ in range(FULL):
        call(app)
    while not tally_of(registry).series["GET", "(unmatched)", 200, ""].pending:
        call(app)
    total = sum(counted(registry).values())
    call(app)
    series = tally_of(registry).series["GET", "(unmatched)", 200, ""]
    assert series.pending, "the last requests wait"
    family = registry.histogram("http.server.request.duration", "", labels=LABELS)
    assert family.labels(*HELLO).snapshot().count == total + 1
    assert values(registry, "http.server.response.bytes") == {HELLO: 5 * (total + 1)}
    assert not series.pending


def test_requests_of_a_wsgi_application_wait_too() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"hello"]

    registry = Registry()
    middleware = WSGIPerformanceMiddleware(app, registry=registry, breakdown=False)
    for _ in range(FULL // 3 + 1):
        call_wsgi(middleware)
    assert len(tally_of(registry).series["GET", "(unmatched)", 200, ""].pending) == 3
    assert counted(registry) == {HELLO: FULL // 3 + 1}
    assert values(registry, "http.server.response.bytes") == {HELLO: 5 * (FULL // 3 + 1)}


def test_what_waits_in_all_series_together_is_bounded() -> None:
    registry = Registry()
    app = PerformanceMiddleware(hello, registry=registry, breakdown=False, route=lambda scope: scope["path"])
    for number in range(200):
        call(app, f"/{number}")
    assert Counter(series.full for series in tally_of(registry).series.values()) == {FULL: 64, FULL // 4: 136}
    late = tally_of(registry).series["GET", "/199", 200, ""]
    for _ in range(FULL // 12):
        call(app, "/199")
    assert len(late.pending) == 3
    assert counted(registry)["GET", "/199", "200", ""] == FULL // 12 + 1


def test_what_other_processes_read_waits_for_nothing(tmp_path: Any) -> None:
    registry = Registry(directory=tmp_path)
    call(PerformanceMiddleware(hello, registry=registry, breakdown=False))
    assert not tally_of(registry).series["GET", "(unmatched)", 200, ""].pending
    assert counted(Registry(directory=tmp_path), "http.server.request.duration") == {}
    everyone = {family.name: family for family in Registry(directory=tmp_path).collect_all()}
    assert [each.value.count for each in everyone["http.server.request.duration"].series] == [1]  # type: ignore[union-attr]


def test_a_child_forked_amid_requests_counts_its_own_and_none_twice() -> None:
    registry = Registry()
    arrived, go = threading.Event(), threading.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/wait":
            arrived.set()
            go.wait(60)
        await hello(scope, receive, send)

    app = PerformanceMiddleware(waiting, registry=registry, breakdown=False)
    call(app)
    thread = threading.Thread(target=call, args=(app, "/wait"))
    thread.start()
    assert arrived.wait(30)
    child = os.fork()
    if not child:
        good = requests_in_flight(registry) == 0

        def serve() -> None:
            call(app)

        # In a thread: a lock that nobody lets go of would hold it for ever.
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        serving.join(20)
        good = good and not serving.is_alive() and counted(registry) == {HELLO: 2}
        os._exit(0 if good and requests_in_flight(registry) == 0 else 1)
    status = os.waitpid(child, 0)[1]
    assert requests_in_flight(registry) == 1
    go.set()
    thread.join()
    assert status == 0
    assert counted(registry) == {HELLO: 2}
