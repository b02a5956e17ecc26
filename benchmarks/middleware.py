"""Area `middleware`: what monitoring adds to a request, beside other middleware doing less of the same.

Microseconds of processor time a request, in calls without sockets: the application's coroutine is run as a server's
task would run it, in a context of its own.
What a middleware adds is its time less that of the bare application in the same round, in which each is called in ten
turns, for the machine's speed changes within seconds. Their order is drawn, for each finds the caches as the one before
left them; each figure is the median over rounds of the ratio of what is added. Where names and types come to lie in
memory sways a figure on a framework by a seventh, as long as a process lives: those rounds are spread over fifteen
processes.

- `added_vs_plain_prometheus`: on an application without a framework, `PerformanceMiddleware` with every measurement on
  and the slow log armed ÷ a minimal middleware by hand that observes one prometheus_client histogram, labelled by
  method and status; `added_vs_bare_histogram`: ÷ one without labels, which looks at no message;
- `added_vs_opentelemetry`: the same ÷ OpenTelemetry's ASGI middleware, metrics only;
- `added_vs_instrumentator`: on a FastAPI application ÷ prometheus-fastapi-instrumentator as its documentation has it,
  the larger of `…_1_route` and `…_21_routes`: that one looks for the route again, from the first on, ours reads it;
- `fastapi_passing_us`, `fastapi_wrapped_send_us`, `fastapi_histogram_us`, `fastapi_prometheus_us`: what the least of
  middleware adds there, which is the floor: one that hands on, one that looks at each message, the two by hand;
- `record_vs_prometheus_observe`: finding the series by its labels and observing a duration ÷ prometheus_client's;
  `record_request_vs_prometheus_observe`: `PerformanceMonitor.record_request` ÷ its `observe` without labels;
- `access_log_vs_uvicorn`: what a line of the access log adds ÷ what uvicorn's does, both to a stream that goes nowhere;
- `label_memory_mb`: resident memory after a million requests of distinct routes, less that after a thousand.
"""

from __future__ import annotations

import io
import json
import logging
import random
import statistics
import subprocess
import sys
import time
import timeit
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import prometheus_client
from fastapi import FastAPI
from flask import Flask
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_fastapi_instrumentator import Instrumentator
from uvicorn.logging import AccessFormatter
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string
from werkzeug.test import EnvironBuilder

from perfloop.monitoring import PerformanceMiddleware, PerformanceMonitor, WSGIPerformanceMiddleware
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_ROUNDS = 15
_CALLS = 5_000
_FRAMEWORK_CALLS = 500
_TURNS = 10
# Latencies as a service has them: 2 ms to 3 s.
_SECONDS = (0.002, 0.008, 0.012, 0.02, 0.045, 0.09, 0.3, 3.0)
# Of a service of some size, which few reach; the one that is called stands in the middle, as the average one does.
_ROUTES = 21
_LABELS = ("method", "route", "status", "error")
# With the entries that uvicorn's has.
_SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 50_000),
    "scheme": "http",
    "root_path": "",
    "headers": [(b"host", b"localhost:8000"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")],
    "state": {},
    "method": "GET",
    "path": "/orders/7",
    "raw_path": b"/orders/7",
    "query_string": b"",
}
_PROCESSES = 15
_ADDED = """
import json, sys
from benchmarks import middleware

routes, rounds = map(int, sys.argv[1:])
print(json.dumps(middleware._added(middleware._fastapi_applications(routes), middleware._FRAMEWORK_CALLS, rounds)))
"""
_MEMORY = """
import asyncio, psutil
from perfloop.monitoring import PerformanceMiddleware
from perfloop.telemetry import Registry
from benchmarks.middleware import answer, receive, send

app = PerformanceMiddleware(answer, registry=Registry(), route=lambda scope: scope["path"])

def drive(first, last):
    for number in range(first, last):
        try:
            app({"type": "http", "method": "GET", "path": f"/orders/{number}"}, receive, send).send(None)
        except StopIteration:
            pass
    return psutil.Process().memory_info().rss

before = drive(0, 1_000)
print((drive(1_000, 1_000_000) - before) / 1e6)
"""

Application = Any


def run(full: bool) -> dict[str, Any]:
    """Measure every figure.

    Args:
        full: four times the rounds.
    """
    rounds = _ROUNDS * (4 if full else 1)
    raw = _added(_raw_applications(), _CALLS, rounds)
    small, fastapi = _added_to_fastapi((1, _ROUTES), rounds)
    vs_instrumentator = [_ratio(each["perfloop"], each["instrumentator"]) for each in (small, fastapi)]
    flask = _added(_flask_applications(), _FRAMEWORK_CALLS, rounds, _call_wsgi)
    log, uvicorn_log = _access_logs(rounds)
    figures: dict[str, float] = {
        "added_vs_plain_prometheus": _ratio(raw["perfloop"], raw["prometheus"]),
        "added_vs_bare_histogram": _ratio(raw["perfloop"], raw["histogram"]),
        "added_vs_opentelemetry": _ratio(raw["perfloop"], raw["opentelemetry"]),
        "added_vs_instrumentator": max(vs_instrumentator),
        "added_vs_instrumentator_1_route": vs_instrumentator[0],
        "added_vs_instrumentator_21_routes": vs_instrumentator[1],
        "record_vs_prometheus_observe": _record(rounds),
        "record_request_vs_prometheus_observe": _record_request(rounds),
        "access_log_vs_uvicorn": _ratio(log["text"], uvicorn_log),
        "access_log_json_vs_uvicorn": _ratio(log["json"], uvicorn_log),
        "label_memory_mb": _label_memory(),
        "added_us": statistics.median(raw["perfloop"]),
        "added_without_breakdown_us": statistics.median(raw["perfloop_without_breakdown"]),
        "added_fastapi_us": statistics.median(fastapi["perfloop"]),
        "added_fastapi_without_breakdown_us": statistics.median(fastapi["perfloop_without_breakdown"]),
        "added_flask_us": statistics.median(flask["perfloop"]),
        "access_log_us": statistics.median(log["text"]),
        "rounds": rounds,
    }
    peers = {
        "prometheus_added_us": statistics.median(raw["prometheus"]),
        "bare_histogram_added_us": statistics.median(raw["histogram"]),
        "opentelemetry_added_us": statistics.median(raw["opentelemetry"]),
        "opentelemetry_added_fastapi_us": statistics.median(fastapi["opentelemetry"]),
        "instrumentator_added_fastapi_us": statistics.median(fastapi["instrumentator"]),
        "instrumentator_added_1_route_us": statistics.median(small["instrumentator"]),
        "fastapi_passing_us": statistics.median(fastapi["passing"]),
        "fastapi_wrapped_send_us": statistics.median(fastapi["wrapped_send"]),
        "fastapi_histogram_us": statistics.median(fastapi["histogram"]),
        "fastapi_prometheus_us": statistics.median(fastapi["prometheus"]),
        "uvicorn_access_log_us": statistics.median(uvicorn_log),
    }
    return {"figures": figures, "peers": peers}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application without a framework."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def receive() -> dict[str, Any]:
    """As a server's for a request without a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    """As a server's whose client takes everything at once."""


class _Passing:
    """A middleware that does nothing."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class _WrappedSend(_Passing):
    """One that looks at each message of the response, and does nothing with it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        status = 0

        def noting_send(message: Any) -> Any:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        await self.app(scope, receive, noting_send)


class _Histogram:
    """The least a middleware can do with prometheus_client."""

    def __init__(self, app: Application) -> None:
        self.app = app
        registry = prometheus_client.CollectorRegistry()
        self.histogram = prometheus_client.Histogram("duration", "Duration.", registry=registry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            self.histogram.observe(time.perf_counter() - started)


class _Prometheus:
    """What one writes by hand with prometheus_client: one histogram, by method and status."""

    def __init__(self, app: Application) -> None:
        self.app = app
        registry = prometheus_client.CollectorRegistry()
        self.histogram = prometheus_client.Histogram("duration", "Duration.", ["method", "status"], registry=registry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting_send(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            self.histogram.labels(scope["method"], str(status)).observe(time.perf_counter() - started)


def _opentelemetry(app: Application) -> Application:
    return OpenTelemetryMiddleware(app, meter_provider=MeterProvider([InMemoryMetricReader()]))


def _raw_applications() -> dict[str, Application]:
    return {
        "bare": answer,
        "perfloop": PerformanceMiddleware(answer, registry=Registry()),
        "perfloop_without_breakdown": PerformanceMiddleware(answer, registry=Registry(), breakdown=False),
        "histogram": _Histogram(answer),
        "prometheus": _Prometheus(answer),
        "opentelemetry": _opentelemetry(answer),
    }


def _fastapi_applications(routes: int) -> dict[str, Application]:
    async def other(number: int) -> None: ...

    async def order(number: int) -> dict[str, int]:
        return {"number": number}

    def application(middleware: Any = None, **options: Any) -> FastAPI:
        app = FastAPI()
        for resource in range(routes):
            if resource == routes // 2:
                app.get("/orders/{number}")(order)
            else:
                app.get(f"/resource{resource}/{{number}}")(other)
        if middleware is not None:
            app.add_middleware(middleware, **options)
        return app

    instrumented = application()
    Instrumentator(registry=prometheus_client.CollectorRegistry()).instrument(instrumented)
    return {
        "bare": application(),
        "perfloop": application(PerformanceMiddleware, registry=Registry()),
        "perfloop_without_breakdown": application(PerformanceMiddleware, registry=Registry(), breakdown=False),
        "instrumentator": instrumented,
        "opentelemetry": application(OpenTelemetryMiddleware, meter_provider=MeterProvider([InMemoryMetricReader()])),
        "passing": application(_Passing),
        "wrapped_send": application(_WrappedSend),
        "histogram": application(_Histogram),
        "prometheus": application(_Prometheus),
    }


def _flask_applications() -> dict[str, Application]:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return "hello"

    return {"bare": app.wsgi_app, "perfloop": WSGIPerformanceMiddleware(app.wsgi_app, registry=Registry())}


def _call(app: Application, calls: int) -> float:
    """Microseconds a request."""
    started = time.thread_time()
    for _ in range(calls):
        try:
            copy_context().run(app(_SCOPE.copy(), receive, send).send, None)
        except StopIteration:
            pass
        else:
            raise RuntimeError("Expected an application that waits for nothing")
    return (time.thread_time() - started) / calls * 1e6


_ENVIRON = EnvironBuilder(path="/orders/7").get_environ()


def _call_wsgi(app: Application, calls: int) -> float:
    started = time.thread_time()
    for _ in range(calls):
        body = app(_ENVIRON.copy(), lambda status, headers, error=None: None)
        b"".join(body)
        body.close()
    return (time.thread_time() - started) / calls * 1e6


def _added(
    applications: dict[str, Application],
    calls: int,
    rounds: int,
    call: Callable[[Application, int], float] = _call,
) -> dict[str, list[float]]:
    """Microseconds that each adds to the bare application, round by round."""
    added: dict[str, list[float]] = {name: [] for name in applications if name != "bare"}
    names, chance = list(applications), random.Random()
    for number in range(-1, rounds):  # the round before the first warms caches
        times = dict.fromkeys(names, 0.0)
        for _ in range(_TURNS):
            chance.shuffle(names)
            for name in names:
                times[name] += call(applications[name], calls // _TURNS) / _TURNS
        if number >= 0:
            for name, measured in added.items():
                measured.append(times[name] - times["bare"])
    return added


def _added_to_fastapi(routes: tuple[int, ...], rounds: int) -> list[dict[str, list[float]]]:
    """What `_added` gives for an application of each number of routes, from several processes."""
    added: list[dict[str, list[float]]] = [{} for _ in routes]
    for _ in range(_PROCESSES):
        for number, together in zip(routes, added, strict=True):
            command = [sys.executable, "-c", _ADDED, str(number), str(3 * rounds // _PROCESSES)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            for name, measured in json.loads(output).items():
                together.setdefault(name, []).extend(measured)
    return added


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(our / their for our, their in zip(ours, theirs, strict=True))


def _record(rounds: int) -> float:
    labels = ("GET", "/orders/{number}", "200", "")
    ours = Registry().histogram("duration", "Duration.", labels=_LABELS)
    registry = prometheus_client.CollectorRegistry()
    theirs = prometheus_client.Histogram("duration", "Duration.", _LABELS, registry=registry)
    return _compared(
        "it.labels(*labels).observe({})", {"it": ours, "labels": labels}, {"it": theirs, "labels": labels}, rounds
    )


def _record_request(rounds: int) -> float:
    theirs = prometheus_client.Histogram("duration", "Duration.", registry=prometheus_client.CollectorRegistry())
    return _compared("record({})", {"record": PerformanceMonitor().record_request}, {"record": theirs.observe}, rounds)


def _compared(statement: str, ours: dict[str, Any], theirs: dict[str, Any], rounds: int) -> float:
    code = "; ".join(statement.format(seconds) for seconds in _SECONDS)
    timers = [timeit.Timer(code, timer=time.thread_time, globals=names) for names in (ours, theirs)]
    times: list[list[float]] = [[], []]
    for number in range(-1, rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            measured = timers[which].timeit(_CALLS)
            if number >= 0:
                times[which].append(measured)
    return _ratio(times[0], times[1])


def _access_logs(rounds: int) -> tuple[dict[str, list[float]], list[float]]:
    """Microseconds that a line adds, round by round: ours in both formats, and uvicorn's."""
    nowhere = io.TextIOWrapper(open("/dev/null", "wb"), write_through=True)  # noqa: SIM115, PTH123
    ours, theirs = logging.getLogger("perfloop.access"), logging.getLogger("uvicorn.access")
    # As uvicorn's own configuration has it, and the simplest for ours.
    for logger, formatter in (
        (ours, logging.Formatter("%(message)s")),
        (theirs, AccessFormatter('%(levelprefix)s %(client_addr)s - "%(request_line)s" %(status_code)s')),
    ):
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(formatter)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)

    async def logging_as_uvicorn(scope: Any, receive: Any, send: Any) -> None:
        # The statement of uvicorn's HTTP protocols.
        theirs.info(
            '%s - "%s %s HTTP/%s" %d',
            get_client_addr(scope),
            scope["method"],
            get_path_with_query_string(scope),
            scope["http_version"],
            200,
        )
        await answer(scope, receive, send)

    try:
        uvicorn_log = _added({"bare": answer, "uvicorn": logging_as_uvicorn}, _CALLS // 2, rounds)["uvicorn"]
        applications = {
            "bare": PerformanceMiddleware(answer, registry=Registry()),
            "text": PerformanceMiddleware(answer, registry=Registry(), access_log=True),
            "json": PerformanceMiddleware(answer, registry=Registry(), access_log="json"),
        }
        return _added(applications, _CALLS // 2, rounds), uvicorn_log
    finally:
        for logger in (ours, theirs):
            logger.handlers.clear()
        nowhere.close()


def _label_memory() -> float:
    output = subprocess.run([sys.executable, "-c", _MEMORY], check=True, capture_output=True, text=True).stdout
    return max(float(output), 0.0)
