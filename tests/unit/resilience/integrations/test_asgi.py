"""The ASGI middleware admits, carries deadline and priority, answers briefly, and frees each place once."""

from __future__ import annotations

import asyncio
import json

import pytest

from perfloop.exceptions import (
    BulkheadFull,
    CircuitOpen,
    DeadlineExceeded,
    InvalidValue,
    LoadShed,
    RateLimited,
)
from perfloop.resilience import Classification
from perfloop.resilience.deadline import remaining
from perfloop.resilience.integrations.asgi import ResilienceMiddleware
from perfloop.resilience.priority import PRIORITY
from perfloop.resilience.shedding import Criticality, LoadShedder
from perfloop.telemetry import Registry

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}


def http(headers=(), method="GET"):
    return {"type": "http", "method": method, "path": "/", "headers": [(k.encode(), v.encode()) for k, v in headers]}


async def never():
    raise AssertionError("the body of a request that is not let in was read")


class Client:
    """Sends requests to an application and keeps what it answers."""

    def __init__(self, app, **settings) -> None:
        self.registry = Registry()
        self.gate = settings.pop("gate", None) or LoadShedder(1, max_waiting=0, registry=self.registry)
        self.app = ResilienceMiddleware(app, gate=self.gate, registry=self.registry, **settings)

    async def ask(self, scope=None, receive=never):
        sent = []

        async def send(message):
            sent.append(message)

        await self.app(scope or http(), receive, send)
        return sent

    @property
    def in_flight(self):
        return self.gate.gauges()["in_flight"]


async def hello(scope, receive, send):
    await send(START)
    await send(BODY)


async def test_what_is_let_in_passes_untouched():
    client = Client(hello)
    assert await client.ask() == [START, BODY]
    assert client.in_flight == 0
    assert client.gate.counts()["successful"] == 1


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
async def test_websockets_and_lifespan_pass_untouched(kind):
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    client = Client(app)
    client.gate.try_acquire()
    scope = {"type": kind}
    await client.app(scope, never, never)
    assert seen == [(scope, never, never)]


async def test_exempt_requests_pass_untouched():
    client = Client(hello, exempt=lambda scope: scope["path"] == "/")
    client.gate.try_acquire()
    assert await client.ask() == [START, BODY]
    assert client.in_flight == 1
    assert (await client.ask({**http(), "path": "/other"}))[0]["status"] == 503


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_what_is_not_let_in_is_answered_before_its_body_is_read(method):
    client = Client(hello)
    client.gate.try_acquire()
    start, body = await client.ask(http(method=method))
    headers = dict(start["headers"])
    assert start["status"] == 503
    assert int(headers[b"retry-after"]) >= 1
    assert headers[b"content-type"] == b"application/problem+json"
    if method == "HEAD":
        assert body["body"] == b""
    else:
        assert int(headers[b"content-length"]) == len(body["body"])
        assert json.loads(body["body"]) == {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "code": "load-shed",
        }
    assert client.in_flight == 1


@pytest.mark.parametrize(
    ("error", "after", "status", "retry_after"),
    [
        (LoadShed, 0.2, 503, b"1"),
        (RateLimited, 7.01, 429, b"8"),
        (CircuitOpen, None, 503, None),
        (BulkheadFull, float("inf"), 503, None),
        (DeadlineExceeded, None, 504, None),
    ],
)
async def test_what_the_application_rejects_is_answered_likewise(error, after, status, retry_after):
    async def app(scope, receive, send):
        raised = error("a secret name")
        if after is not None:
            raised.retry_after = after
        raise raised

    client = Client(app)
    start, body = await client.ask()
    assert start["status"] == status
    assert dict(start["headers"]).get(b"retry-after") == retry_after
    assert b"secret" not in body["body"]
    assert client.in_flight == 0
    assert client.gate.counts()["ignored"] == 1


async def test_rejected_requests_are_counted():
    client = Client(hello)
    client.gate.try_acquire()
    for _ in range(3):
        await client.ask()
    counter = client.registry.counter(
        "perfloop.resilience.http.rejected",
        "Requests that were answered without the application.",
        labels=("name", "status"),
        unit="{request}",
    )
    assert counter.labels("load_shedder", "503").value == 3


async def test_a_rejection_after_the_answer_began_is_an_error():
    async def app(scope, receive, send):
        await send(START)
        raise CircuitOpen("late")

    client = Client(app)
    with pytest.raises(CircuitOpen):
        await client.ask()
    assert client.in_flight == 0


async def test_a_stream_has_its_place_until_the_end_of_its_body_and_no_longer():
    places = []

    async def app(scope, receive, send):
        await send(START)
        await send({**BODY, "more_body": True})
        places.append(client.in_flight)
        await send({**BODY, "more_body": True})
        places.append(client.in_flight)
        await send(BODY)
        places.append(client.in_flight)  # as in a background task

    client = Client(app)
    await client.ask()
    assert places == [1, 1, 0]
    assert client.in_flight == 0


@pytest.mark.parametrize(("status", "counted"), [(200, "successful"), (404, "successful"), (500, "failed")])
async def test_the_status_tells_the_outcome(status, counted):
    async def app(scope, receive, send):
        await send({**START, "status": status})
        await send(BODY)

    client = Client(app)
    await client.ask()
    assert client.gate.counts()[counted] == 1


async def test_errors_free_the_place_and_are_classified():
    async def app(scope, receive, send):
        raise KeyError("mine")

    gate = LoadShedder(1, max_waiting=0, classification=Classification(ignored=KeyError), registry=Registry())
    client = Client(app, gate=gate)
    with pytest.raises(KeyError):
        await client.ask()
    assert client.in_flight == 0
    assert gate.counts()["ignored"] == 1


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
async def test_whatever_ends_it_frees_the_place(error):
    async def app(scope, receive, send):
        raise error

    client = Client(app)
    with pytest.raises(error):
        await client.ask()
    assert client.in_flight == 0
    assert client.gate.counts()["ignored"] == 1


async def test_cancellation_frees_the_place_wherever_it_comes():
    async def app(scope, receive, send):
        await asyncio.sleep(0)
        await send(START)
        await asyncio.sleep(0)
        await send(BODY)

    for steps in range(8):
        client = Client(app, gate=LoadShedder(1, interval=60, registry=Registry()))
        tasks = [asyncio.create_task(client.ask()) for _ in range(3)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks[:2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert client.gate.gauges() == {"limit": 1, "in_flight": 0, "waiting": 0}


async def test_a_client_that_left_frees_the_place_and_says_nothing():
    async def app(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async def left():
        return {"type": "http.disconnect"}

    client = Client(app)
    await client.ask(receive=left)
    assert client.in_flight == 0
    assert client.gate.counts()["ignored"] == 1


async def test_a_client_that_left_amid_the_answer_says_nothing_either():
    class ClientDisconnected(OSError):
        """As uvicorn calls it."""

    async def gone(message):
        if message["type"] == "http.response.body":
            raise ClientDisconnected

    client = Client(hello)
    with pytest.raises(ClientDisconnected):
        await client.app(http(), never, gone)
    assert client.in_flight == 0
    assert client.gate.counts()["ignored"] == 1


async def test_a_send_that_fails_frees_the_place():
    async def broken(message):
        raise OSError("gone")

    client = Client(hello)
    with pytest.raises(OSError):
        await client.app(http(), never, broken)
    assert client.in_flight == 0


class TestDeadline:
    async def seconds(self, headers=(), **settings):
        seen = []

        async def app(scope, receive, send):
            seen.append(remaining())
            await hello(scope, receive, send)

        await Client(app, **settings).ask(http(headers))
        assert remaining() is None
        return seen[0]

    async def test_it_comes_by_header(self):
        assert 0 < await self.seconds([("x-envoy-expected-rq-timeout-ms", "60000")]) <= 60

    async def test_the_timeout_bounds_it(self):
        assert 50 < await self.seconds([("x-envoy-expected-rq-timeout-ms", "90000")], timeout=60) <= 60
        assert 50 < await self.seconds(timeout=60) <= 60

    @pytest.mark.parametrize("value", ["0", "-5", "soon", "", "1e3", "9" * 400])
    async def test_a_bad_header_is_none(self, value):
        assert await self.seconds([("x-envoy-expected-rq-timeout-ms", value)]) is None

    async def test_another_header_or_none(self):
        given = [("X-Deadline".lower(), "60000"), ("x-envoy-expected-rq-timeout-ms", "1000")]
        assert 50 < await self.seconds(given, deadline_header="X-Deadline") <= 60
        assert await self.seconds(given, deadline_header=None) is None

    async def test_one_that_is_over_when_a_place_is_found_is_answered_without_the_application(self):
        client = Client(hello, gate=LoadShedder(1, interval=60, registry=Registry()))
        token = client.gate.try_acquire()
        asking = asyncio.create_task(client.ask(http([("x-envoy-expected-rq-timeout-ms", "1")])))
        while not client.gate.gauges()["waiting"]:
            await asyncio.sleep(0)
        await asyncio.sleep(0.005)
        client.gate.release(token, 0, 0)
        start, body = await asking
        assert start["status"] == 504
        assert json.loads(body["body"])["code"] == "deadline-exceeded"
        assert client.in_flight == 0


class TestPriority:
    async def important(self, headers=(), **settings):
        seen = []

        async def app(scope, receive, send):
            seen.append(PRIORITY.get())
            await hello(scope, receive, send)

        await Client(app, **settings).ask(http(headers))
        assert PRIORITY.get() == 0
        return seen[0]

    async def test_no_header_is_trusted_unless_told(self):
        assert await self.important([("x-priority", "critical+")]) == 0

    async def test_it_comes_by_header(self):
        assert await self.important([("x-priority", "critical+")], priority_header="X-Priority") == 1
        assert await self.important([("x-priority", "sheddable")], priority_header="X-Priority") == -2
        assert await self.important([("x-priority", "\xff")], priority_header="X-Priority") == 0

    async def test_a_function_counts_for_more(self):
        def health_first(scope):
            return Criticality.CRITICAL_PLUS if scope["path"] == "/" else Criticality.SHEDDABLE

        given = [("x-priority", "sheddable")]
        assert await self.important(given, priority_header="x-priority", priority=health_first) == 1

    async def test_the_less_important_are_shed_first(self):
        gate = LoadShedder(10, max_waiting=0, registry=Registry())
        client = Client(hello, gate=gate, priority_header="x-priority")
        for _ in range(6):
            gate.try_acquire()
        assert (await client.ask(http([("x-priority", "sheddable")])))[0]["status"] == 503
        assert (await client.ask(http([("x-priority", "critical")])))[0]["status"] == 200


@pytest.mark.parametrize(
    "settings", [{"gate": object()}, {"timeout": 0}, {"timeout": -1}, {"deadline_header": ""}, {"priority_header": 5}]
)
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        ResilienceMiddleware(hello, registry=Registry(), **settings)
