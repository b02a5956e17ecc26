"""Whatever an application does, in whatever order: one outcome, nothing left in flight, nothing raised by us."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfloop.monitoring.requests import (
    PerformanceMiddleware,
    WSGIPerformanceMiddleware,
    requests_in_flight,
    slow_requests,
)
from perfloop.telemetry import Registry

from .calling import Ticks, counted, scope_of, values

BODIES = st.sampled_from([b"", b"hello", b"x" * 70_000, None])
STATUSES = st.one_of(
    st.integers(-1, 700), st.sampled_from([200, 204, 404, 500, True, "200", "many", None, float("nan"), float("inf")])
)
ERRORS = st.sampled_from(
    [ValueError, asyncio.CancelledError, KeyboardInterrupt, type("ClientDisconnect", (OSError,), {})]
)
STEPS = st.lists(
    st.one_of(
        st.builds(lambda status: {"type": "http.response.start", "status": status, "headers": []}, STATUSES),
        st.builds(
            lambda body, more: {"type": "http.response.body", "body": body, "more_body": more}, BODIES, st.booleans()
        ),
        st.just({"type": "http.response.body"}),
        st.just({"type": "http.response.pathsend", "path": "/x"}),
        st.just({"type": "http.response.trailers", "headers": []}),
        st.builds(lambda count: {"type": "http.response.zerocopysend", "count": count}, st.sampled_from([None, 7])),
        st.just("receive"),
        st.builds(lambda seconds: ("pass", seconds), st.floats(-2, 2)),
        ERRORS,
    ),
    max_size=8,
)
ARRIVING = st.lists(
    st.one_of(
        st.builds(lambda body: {"type": "http.request", "body": body, "more_body": True}, BODIES),
        st.just({"type": "http.request"}),
        st.just({"type": "http.disconnect"}),
    ),
    max_size=3,
)
FAILING_SENDS = st.sampled_from([None, 0, 1, 2])
# What a handler may see is the same for each example.
EXAMPLES = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.INFO, logger="perfloop.access")
    return caplog


def one_outcome(registry: Registry, lines: Any) -> None:
    assert sum(counted(registry).values()) == 1
    assert requests_in_flight(registry) == 0
    assert values(registry, "perfloop.monitoring.failures")[()] == 0
    (record,) = [record for record in lines.records if record.name == "perfloop.access"]
    line = record.getMessage()
    assert "\n" not in line
    parsed = json.loads(line, parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))
    assert isinstance(parsed["status"], int)
    (labels,) = counted(registry)
    assert labels[3] == parsed["error"]
    assert len(slow_requests(registry)) <= 1


@EXAMPLES
@given(steps=STEPS, arriving=ARRIVING, failing=FAILING_SENDS)
def test_asgi(lines: Any, steps: list[Any], arriving: list[Any], failing: int | None) -> None:
    lines.clear()
    clock, registry = Ticks(0.001), Registry()
    incoming, sent = iter(arriving), []

    async def receive() -> Any:
        return next(incoming, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        if failing == len(sent):
            raise OSError("gone")
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for step in steps:
            if isinstance(step, type):
                raise step
            if step == "receive":
                await receive()
            elif isinstance(step, tuple):
                clock.pass_(step[1])
            else:
                await send(step)

    async def run(application: Any) -> type[BaseException] | None:
        try:
            await application(scope_of(), receive, send)
        except BaseException as error:
            return type(error)
        return None

    def drive(application: Any) -> type[BaseException] | None:
        coroutine = run(application)
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        raise AssertionError("nothing here waits")

    alone, sent_alone = drive(app), sent[:]
    incoming = iter(arriving)
    sent.clear()
    middleware = PerformanceMiddleware(app, registry=registry, clock=clock, access_log="json", breakdown=False)
    assert drive(middleware) is alone
    assert sent == sent_alone
    one_outcome(registry, lines)


WSGI_STEPS = st.lists(st.one_of(BODIES.filter(lambda body: body is not None), ERRORS), max_size=4)


@EXAMPLES
@given(
    status=st.sampled_from(["200 OK", "500 Oops", "204 None", "", "many", None]),
    before=st.sampled_from([None, ValueError]),
    steps=WSGI_STEPS,
    taken=st.integers(0, 5),
    closes=st.integers(0, 2),
    length=st.sampled_from([None, "5", "many"]),
)
def test_wsgi(
    lines: Any, status: Any, before: Any, steps: list[Any], taken: int, closes: int, length: str | None
) -> None:
    lines.clear()
    clock, registry = Ticks(0.001), Registry()

    def app(environ: Any, start_response: Any) -> Any:
        if before is not None:
            raise before
        start_response(status, [] if length is None else [("Content-Length", length)])
        return produce()

    def produce() -> Any:
        for step in steps:
            if isinstance(step, type):
                raise step
            yield step

    def drive(application: Any) -> tuple[list[bytes], type[BaseException] | None]:
        pieces: list[bytes] = []
        body = None
        raised = None
        try:
            body = application({"REQUEST_METHOD": "GET"}, lambda *_: None)
            for _, piece in zip(range(taken), body, strict=False):
                pieces.append(piece)
        except BaseException as error:
            raised = type(error)
        for _ in range(closes if body is not None else 0):
            body.close()
        return pieces, raised

    alone = drive(app)
    middleware = WSGIPerformanceMiddleware(app, registry=registry, clock=clock, access_log="json", breakdown=False)
    assert drive(middleware) == alone
    one_outcome(registry, lines)


@EXAMPLES
@given(
    route=st.one_of(st.text(min_size=1), st.integers(1), st.binary(min_size=1)),
    method=st.text(),
    status=STATUSES,
    moments=st.lists(st.sampled_from([1.0, 2.0, float("inf"), float("nan"), -1e300]), min_size=1, max_size=6),
)
def test_every_line_of_json_parses(lines: Any, route: Any, method: str, status: Any, moments: list[float]) -> None:
    lines.clear()

    class Broken:
        def __init__(self) -> None:
            self.turn = 0

        def now(self) -> float:
            self.turn += 1
            return moments[self.turn % len(moments)]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def send(message: Any) -> None:
        pass

    middleware = PerformanceMiddleware(
        app, registry=Registry(), clock=Broken(), access_log="json", route=lambda scope: route, breakdown=False
    )
    with pytest.raises(StopIteration):
        middleware(scope_of(method=method), None, send).send(None)
    (line,) = [record.getMessage() for record in lines.records if record.name == "perfloop.access"]
    json.loads(line, parse_constant=lambda name: pytest.fail(f"no JSON: {name}"))
