"""Slow requests: warned of with what is known, and kept."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from perfloop.monitoring.requests import PerformanceMiddleware, SlowRequest, WSGIPerformanceMiddleware, slow_requests
from perfloop.telemetry import Registry

from .calling import Ticks, call, call_wsgi

if TYPE_CHECKING:
    from pathlib import Path


def taking(clock: Ticks, seconds: float) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.pass_(seconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        clock.pass_(1)
        await send({"type": "http.response.body", "body": b"hello"})
        clock.pass_(0.5)

    return app


def example(**changes: Any) -> SlowRequest:
    fields: dict[str, Any] = {
        "at": 0.0,
        "method": "GET",
        "route": "/orders/{id}",
        "status": 200,
        "error": "",
        "duration": 1.5,
        "first_byte": 1.49,
        "after_response": 0.0,
        "sent": 5,
        "breakdown": {},
        "statements": 0,
        **changes,
    }
    return SlowRequest(**fields)


def test_a_slow_request_is_warned_of_with_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    clock, registry = Ticks(), Registry()
    app = PerformanceMiddleware(taking(clock, 2), registry=registry, clock=clock, breakdown=False)
    call(app)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("perfloop.slow", logging.WARNING)
    assert record.getMessage() == (
        "slow request: GET (unmatched) 200 took 3,000 ms: first byte after 2,000 ms, body 1,000 ms, "
        "work after the response 500 ms"
    )
    (kept,) = slow_requests(registry)
    assert record.slow_request is kept  # type: ignore[attr-defined]
    assert app.slow_requests() == [kept]
    assert (kept.duration, kept.first_byte, kept.after_response, kept.sent, kept.breakdown) == (3, 2, 0.5, 5, {})


@pytest.mark.parametrize(("threshold", "warnings"), [(3.0, 1), (3.1, 0), (math.inf, 0)])
def test_the_threshold(threshold: float, warnings: int, caplog: pytest.LogCaptureFixture) -> None:
    clock = Ticks()
    call(PerformanceMiddleware(taking(clock, 2), registry=Registry(), clock=clock, slow_threshold=threshold))
    assert len(caplog.records) == warnings


def test_wsgi_warns_too(caplog: pytest.LogCaptureFixture) -> None:
    clock, registry = Ticks(), Registry()

    def app(environ: Any, start_response: Any) -> Any:
        clock.pass_(2)
        start_response("200 OK", [])
        return [b"x"]

    call_wsgi(WSGIPerformanceMiddleware(app, registry=registry, clock=clock))
    assert "took 2,000 ms" in caplog.text
    assert len(slow_requests(registry)) == 1


def test_the_last_hundred_are_kept_the_newest_first() -> None:
    clock, registry = Ticks(), Registry()
    for number in range(150):
        call(PerformanceMiddleware(taking(clock, 2 + number), registry=registry, clock=clock, breakdown=False))
    kept = slow_requests(registry)
    assert len(kept) == 100
    assert kept[0].first_byte == 151
    assert kept[-1].first_byte == 52


def test_they_are_read_from_another_thread_while_requests_end() -> None:
    clock, registry = Ticks(), Registry()
    app = PerformanceMiddleware(taking(clock, 2), registry=registry, clock=clock, breakdown=False)
    failures: list[BaseException] = []
    ended = threading.Event()

    def read() -> None:
        try:
            while not ended.is_set():
                slow_requests(registry)
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(300):
        call(app)
    ended.set()
    reader.join()
    assert failures == []


def test_the_breakdown_comes_first_by_size_without_what_is_negligible() -> None:
    slow = example(breakdown={"cpu": 0.1, "database": 1.2, "gc": 0.001, "unaccounted": 0.199}, statements=51)
    assert slow.describe() == (
        "GET /orders/{id} 200 took 1,500 ms: database 1,200 ms (51 statements), elsewhere 199 ms, on CPU 100 ms, "
        "first byte after 1,490 ms"
    )


def test_a_request_without_response() -> None:
    slow = example(status=0, error="CancelledError", first_byte=None)
    assert slow.describe() == "GET /orders/{id} - took 1,500 ms, CancelledError: no response"


def test_a_method_cannot_write_lines_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    clock = Ticks()
    call(PerformanceMiddleware(taking(clock, 2), registry=Registry(), clock=clock), method="GET\nfaked")
    assert "faked" not in caplog.text
    assert "_OTHER" in caplog.text


def test_processes_that_share_a_directory_know_each_others_with_their_spans(tmp_path: Path) -> None:
    one, other = Registry(directory=tmp_path), Registry(directory=tmp_path)
    clock = Ticks()
    header = (b"traceparent", f"00-{'ab' * 16}-00000000000002f1-01".encode())
    call(PerformanceMiddleware(taking(clock, 2), registry=one, clock=clock, breakdown=False), headers=[header])

    def app(environ: Any, start_response: Any) -> Any:
        clock.pass_(4)
        start_response("200 OK", [])
        return [b"x"]

    call_wsgi(WSGIPerformanceMiddleware(app, registry=other, clock=clock), HTTP_TRACEPARENT=header[1].decode())
    for registry in (one, other):
        found = slow_requests(registry)
        assert {(slow.duration, slow.span_id, slow.pid) for slow in found} == {
            (3.0, "00000000000002f1", os.getpid()),
            (4.0, "00000000000002f1", os.getpid()),
        }


def test_what_is_no_slow_request_is_left_out(tmp_path: Path) -> None:
    one, other = Registry(directory=tmp_path), Registry(directory=tmp_path)
    future, endless = example(at=time.time() + 1e6), example(duration=1e300)
    for note in (b"\xff", b"{}", b'{"at": "now"}', msgspec.json.encode(future), msgspec.json.encode(endless)):
        other.leave_note(note)
    other.leave_note(msgspec.json.encode(example()))
    assert slow_requests(one) == [example()]
