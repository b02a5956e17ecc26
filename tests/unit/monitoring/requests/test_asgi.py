"""The ASGI middleware: what it counts, and that it stays out of the way."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import math
import weakref
from typing import Any

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.requests import PerformanceMiddleware, requests_in_flight
from perfloop.monitoring.requests.routes import NOTES
from perfloop.telemetry import OVERFLOW, Registry

from .calling import Ticks, acall, call, counted, distributions, scope_of, values

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}
FIRST = "http.server.request.first_byte.duration"
DURATION = "http.server.request.duration"
AFTER = "http.server.request.after_response.duration"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


def watched(app: Any, **options: Any) -> tuple[Any, Registry]:
    registry = Registry()
    return PerformanceMiddleware(app, registry=registry, **options), registry


def test_a_request_is_counted_with_its_labels_and_bytes() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await hello(scope, receive, send)

    app, registry = watched(echo)
    pieces = [{"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.request", "body": b"de"}]
    assert call(app, "/x", "POST", messages=pieces) == [START, BODY]
    labels = ("POST", "(unmatched)", "200", "")
    assert counted(registry) == {labels: 1}
    assert values(registry, "http.server.request.bytes") == {labels: 5}
    assert values(registry, "http.server.response.bytes") == {labels: 5}
    assert requests_in_flight(registry) == 0


def test_first_byte_last_byte_and_the_work_after_are_apart() -> None:
    clock = Ticks()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.pass_(0.5)
        await send(START)
        clock.pass_(0.25)
        await send({**BODY, "more_body": True})
        await send(BODY)
        clock.pass_(3)

    middleware, registry = watched(app, clock=clock)
    call(middleware)
    labels = ("GET", "(unmatched)", "200", "")
    assert distributions(registry, FIRST)[labels].sum == 0.5
    assert distributions(registry, DURATION)[labels].sum == 0.75
    assert distributions(registry, AFTER)[labels].sum == 3


def test_work_after_the_response_of_less_than_a_millisecond_is_none() -> None:
    app, registry = watched(hello, clock=Ticks())
    call(app)
    assert distributions(registry, AFTER) == {}


def test_a_large_body_is_out_when_the_server_took_it() -> None:
    clock = Ticks()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"x" * 100_000})

    async def slow_send(message: Any) -> None:
        clock.pass_(2 if message["type"] == "http.response.body" else 0)

    middleware, registry = watched(app, clock=clock)
    asyncio.run(middleware(scope_of(), None, slow_send))
    assert distributions(registry, DURATION)[("GET", "(unmatched)", "200", "")].sum == 2


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        ([ValueError("before headers")], ("GET", "(unmatched)", "500", "ValueError")),
        ([START, ValueError("after headers")], ("GET", "(unmatched)", "200", "ValueError")),
        ([START, BODY, ValueError("after the response")], ("GET", "(unmatched)", "200", "ValueError")),
        ([START], ("GET", "(unmatched)", "200", "incomplete_response")),
        ([START, {**BODY, "more_body": True}], ("GET", "(unmatched)", "200", "incomplete_response")),
        ([], ("GET", "(unmatched)", "500", "incomplete_response")),
        ([{**START, "status": 503}, BODY], ("GET", "(unmatched)", "503", "503")),
        ([{**START, "status": 404}, BODY], ("GET", "(unmatched)", "404", "")),
        ([START, START, BODY], ("GET", "(unmatched)", "200", "")),
        ([START, BODY, BODY], ("GET", "(unmatched)", "200", "")),
        ([asyncio.CancelledError()], ("GET", "(unmatched)", "", "CancelledError")),
        ([START, {"type": "http.response.pathsend", "path": "/x"}], ("GET", "(unmatched)", "200", "")),
        ([START, {"type": "http.response.zerocopysend", "file": 3, "count": 7}], ("GET", "(unmatched)", "200", "")),
        ([{"type": "http.response.debug", "info": {}}, START, BODY], ("GET", "(unmatched)", "200", "")),
    ],
)
def test_whatever_the_application_does_counts_once(steps: list[Any], labels: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            await send(step)

    middleware, registry = watched(app)
    raised = next((type(step) for step in steps if isinstance(step, BaseException)), None)
    if raised is None:
        assert call(middleware) == steps
    else:
        with pytest.raises(raised):
            call(middleware)
    assert counted(registry) == {labels: 1}
    assert requests_in_flight(registry) == 0
    assert values(registry, "perfloop.monitoring.failures")[()] == 0


def test_bytes_sent_twice_count_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in (START, BODY, BODY):
            await send(message)

    middleware, registry = watched(app)
    call(middleware)
    assert values(registry, "http.server.response.bytes") == {("GET", "(unmatched)", "200", ""): 5}


def test_a_client_that_hangs_up_is_an_outcome_of_its_own() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        assert (await receive())["type"] == "http.disconnect"
        raise RuntimeError("because of it")

    middleware, registry = watched(app)
    with pytest.raises(RuntimeError):
        call(middleware, messages=[{"type": "http.disconnect"}])
    assert counted(registry) == {("GET", "(unmatched)", "200", "client_disconnect"): 1}


def test_the_end_of_a_complete_response_is_no_disconnect() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await hello(scope, receive, send)
        await receive()

    middleware, registry = watched(app)
    call(middleware, messages=[{"type": "http.disconnect"}])
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 1}


def test_a_server_that_refuses_to_send_to_a_client_that_left() -> None:
    class ClientDisconnected(OSError):
        pass

    async def send(message: Any) -> None:
        raise ClientDisconnected

    middleware, registry = watched(hello)
    with pytest.raises(ClientDisconnected):
        asyncio.run(middleware(scope_of(), None, send))
    assert counted(registry) == {("GET", "(unmatched)", "200", "client_disconnect"): 1}


async def test_a_cancelled_request_leaves_nothing_in_flight() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await asyncio.Event().wait()

    middleware, registry = watched(app)
    task = asyncio.create_task(acall(middleware))
    while not requests_in_flight(registry):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert requests_in_flight(registry) == 0
    assert counted(registry) == {("GET", "(unmatched)", "200", "CancelledError"): 1}


async def test_requests_in_flight_are_a_gauge() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        arrived.set()
        await go.wait()
        await hello(scope, receive, send)

    middleware, registry = watched(app)
    task = asyncio.create_task(acall(middleware))
    await arrived.wait()
    assert values(registry, "http.server.active_requests") == {(): 1}
    go.set()
    await task
    assert values(registry, "http.server.active_requests") == {(): 0}


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_scopes_pass_untouched(kind: str) -> None:
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.extend(arguments)

    middleware, registry = watched(app)
    scope, receive, send = {"type": kind}, object(), object()
    asyncio.run(middleware(scope, receive, send))
    assert seen == [scope, receive, send]
    assert scope == {"type": kind}
    assert counted(registry) == {}


def test_of_two_middlewares_the_outer_counts() -> None:
    registry = Registry()
    inner = PerformanceMiddleware(hello, registry=registry, server_timing=True)
    outer = PerformanceMiddleware(inner, registry=registry, server_timing=True)
    sent = call(outer)
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 1}
    assert [name for name, _ in sent[0]["headers"]] == [b"server-timing"]


def test_two_applications_may_share_a_registry() -> None:
    registry = Registry()
    for _ in range(2):
        call(PerformanceMiddleware(hello, registry=registry))
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 2}


def test_a_scope_that_is_used_again_counts_again() -> None:
    app, registry = watched(hello)
    scope = scope_of()

    async def send(message: Any) -> None:
        pass

    for _ in range(2):
        asyncio.run(app(scope, None, send))
        assert not scope[NOTES].live
    assert scope.keys() - scope_of().keys() == {NOTES}
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 2}


def test_methods_that_clients_invent_share_a_series() -> None:
    app, registry = watched(hello)
    for number in range(2000):
        call(app, "/", f"INVENTED{number}")
    assert counted(registry) == {("_OTHER", "(unmatched)", "200", ""): 2000}


def test_raw_paths_make_no_series() -> None:
    app, registry = watched(hello)
    for number in range(2000):
        call(app, f"/{number}")
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 2000}


def test_routes_without_bound_overflow_into_one_series_and_are_counted() -> None:
    registry = Registry(max_series=10)
    app = PerformanceMiddleware(hello, registry=registry, route=lambda scope: scope["path"])
    for number in range(100):
        call(app, f"/{number}")
    seen = counted(registry)
    assert len(seen) == 11
    assert seen[(OVERFLOW,) * 4] == 90
    dropped = values(registry, "perfloop.telemetry.dropped_labels")
    assert dropped[(DURATION,)] == 90


def test_a_clock_that_jumps_back_gives_no_negative_durations() -> None:
    clock = Ticks()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        clock.pass_(-50)
        await hello(scope, receive, send)
        clock.pass_(-50)

    middleware, registry = watched(app, clock=clock)
    call(middleware)
    for name in (DURATION, FIRST):
        assert distributions(registry, name)[("GET", "(unmatched)", "200", "")].sum == 0


@pytest.mark.parametrize("option", ["route", "server_timing"])
def test_options_that_raise_cost_no_request(option: str) -> None:
    def broken(scope: Any) -> Any:
        raise RuntimeError("broken")

    scopes: list[Any] = []

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await hello(scope, receive, send)

    app, registry = watched(keeping, **{option: broken})
    assert call(app) == [START, BODY]
    assert values(registry, "perfloop.monitoring.failures")[()] == 1
    assert requests_in_flight(registry) == 0
    assert not scopes[0][NOTES].live


def test_a_log_handler_that_raises_costs_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(record: logging.LogRecord) -> bool:
        raise RuntimeError("broken")

    app, registry = watched(hello, access_log=True)
    logger = logging.getLogger("perfloop.access")
    monkeypatch.setattr(logger, "filters", [broken])
    logger.setLevel(logging.INFO)
    assert call(app) == [START, BODY]
    assert values(registry, "perfloop.monitoring.failures")[()] == 1
    assert counted(registry) == {("GET", "(unmatched)", "200", ""): 1}


def test_server_timing_only_where_it_is_wanted() -> None:
    clock = Ticks()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        clock.pass_(0.0125)
        await hello(scope, receive, send)

    app, _ = watched(slow, clock=clock, server_timing=lambda scope: scope["path"] == "/timed")
    assert call(app, "/")[0] == START
    assert call(app, "/timed")[0]["headers"] == [(b"server-timing", b"app;dur=12.500")]
    assert START["headers"] == []


def test_nothing_holds_on_to_a_request_when_it_is_over() -> None:
    class Cycle:
        """What a server keeps of a request holds the scope, as uvicorn's does."""

        def __init__(self) -> None:
            self.scope = scope_of()

        async def send(self, message: Any) -> None:
            pass

    middleware, _ = watched(hello)
    gc.collect()
    gc.disable()
    try:
        cycle = Cycle()
        reference = weakref.ref(cycle)
        asyncio.run(middleware(cycle.scope, None, cycle.send))
        del cycle
        assert reference() is None, "only the garbage collector could free it"
    finally:
        gc.enable()


async def test_what_lives_on_after_a_request_holds_nothing_of_the_server() -> None:
    lives_on: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        lives_on.append((contextvars.copy_context(), receive, send))
        await hello(scope, receive, send)

    class Connection:
        async def receive(self) -> Any:
            return {"type": "http.request"}

        async def send(self, message: Any) -> None: ...

    connection = Connection()
    gone = weakref.ref(connection)
    await watched(app)[0](scope_of(), connection.receive, connection.send)
    del connection
    gc.collect()
    assert gone() is None
    [(_, receive, send)] = lives_on
    assert await receive() == {"type": "http.disconnect"}
    with pytest.raises(OSError, match="while the application serves the request"):
        await send({"type": "http.response.body"})


@pytest.mark.parametrize("threshold", [0, -1, math.nan])
def test_a_threshold_that_is_no_time_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidValue, match="slow_threshold"):
        PerformanceMiddleware(hello, registry=Registry(), slow_threshold=threshold)


def test_an_unknown_format_of_the_access_log_is_refused() -> None:
    with pytest.raises(InvalidValue, match="access_log"):
        PerformanceMiddleware(hello, registry=Registry(), access_log="xml")  # type: ignore[arg-type]
