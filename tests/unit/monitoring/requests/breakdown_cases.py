"""What test_breakdown.py runs, each in an interpreter of its own whose libraries are hooked."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from perfloop.monitoring.requests import PerformanceMiddleware, WSGIPerformanceMiddleware, slow_requests
from perfloop.telemetry import Registry

from .calling import acall, call, call_wsgi

SUM = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT sum(i) FROM n"


def query() -> None:
    connection = sqlite3.connect(":memory:")
    for _ in range(2):
        connection.execute(SUM).fetchall()
    connection.close()


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    query()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


def wsgi(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    query()
    yield b"hello"
    query()


def statements_of_a_request_on_the_loop() -> None:
    registry = Registry()
    call(PerformanceMiddleware(asgi, registry=registry, slow_threshold=1e-9))
    (slow,) = slow_requests(registry)
    assert slow.statements == 2
    assert slow.breakdown["database"] > 0
    assert sum(slow.breakdown.values()) == pytest.approx(slow.duration, abs=1e-5)
    assert "database" in slow.describe()


def statements_and_processor_time_of_a_request_on_a_thread() -> None:
    registry = Registry()
    call_wsgi(WSGIPerformanceMiddleware(wsgi, registry=registry, slow_threshold=1e-9))
    (slow,) = slow_requests(registry)
    assert slow.statements == 4
    assert {"database", "cpu"} <= set(slow.breakdown)
    assert sum(slow.breakdown.values()) == pytest.approx(slow.duration, abs=1e-5)


def what_runs_on_after_a_request_is_not_its_own() -> None:
    registry = Registry()
    late: list[asyncio.Task[None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        go = asyncio.Event()

        async def later() -> None:
            await go.wait()
            query()

        late.append(asyncio.create_task(later()))
        await asgi(scope, receive, send)
        go.set()

    async def serve() -> None:
        await acall(PerformanceMiddleware(app, registry=registry, slow_threshold=1e-9))
        await late[0]

    asyncio.run(serve())
    assert slow_requests(registry)[0].statements == 2


def no_thread_is_left_at_work_for_a_request() -> None:
    from perfloop.agent.active import ACTIVE

    def failing(environ: Any, start_response: Any) -> Any:
        raise ValueError

    call_wsgi(WSGIPerformanceMiddleware(wsgi, registry=Registry()))
    with pytest.raises(ValueError):
        call_wsgi(WSGIPerformanceMiddleware(failing, registry=Registry()))
    body = WSGIPerformanceMiddleware(wsgi, registry=Registry())({"REQUEST_METHOD": "GET"}, lambda *_: None)
    next(iter(body))
    body.close()
    body.close()
    assert ACTIVE == {}
