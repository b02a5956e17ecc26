"""Routes that are known by their identity: the second request of a route counts as the first, and no other does."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import falcon.asgi
import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from perfloop.monitoring.requests import PerformanceMiddleware, asgi, requests_in_flight, routes, slow_requests
from perfloop.telemetry import Registry

from .calling import Ticks, acall, call, counted, distributions, scope_of, values

if TYPE_CHECKING:
    from collections.abc import Iterable

START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"hello"}


class Place:
    """What a framework leaves in the scope."""

    def __init__(self, path: str) -> None:
        self.path = path


async def answer(request: Any) -> Any:
    return PlainTextResponse("x")


async def answer_number(number: int) -> int:
    if not number:
        raise HTTPException(status_code=403)
    return number


def leaving(**left: Any) -> Any:
    """An application that leaves these in the scope, for the path of each request what a function says of it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for name, value in left.items():
            scope[name] = value(scope["path"]) if callable(value) else value
        await send(START)
        await send(BODY)

    return app


def watched(app: Any, **options: Any) -> tuple[Any, Registry]:
    registry = Registry()
    return PerformanceMiddleware(app, registry=registry, breakdown=False, **options), registry


def call_in_turn(app: Any, paths: Iterable[str], times: int = 3, **more: Any) -> None:
    for _ in range(times):
        for path in paths:
            call(app, path, **more)


def by_route(registry: Registry) -> dict[tuple[str, str], int]:
    return {(route, status): count for (_, route, status, _), count in counted(registry).items()}


def fastapi_application() -> FastAPI:
    """With what can take a request: own routes, a router that is included twice, mounts of every kind."""
    app, below, router, inner = FastAPI(), FastAPI(), APIRouter(), APIRouter()
    for each in (app, below, router, inner):
        each.get("/orders/{number}")(answer_number)
    router.add_route("/plain/{a}", answer)
    router.include_router(inner, prefix="/inner")
    app.include_router(router, prefix="/v1")
    app.include_router(router, prefix="/v2")
    app.mount("/tenants/{tenant}", below)
    app.mount("/other", below)
    app.mount("/static", PlainTextResponse("x"))
    return app


FASTAPI_LABELS = {
    "/orders/1": ("/orders/{number}", "200"),
    "/orders/0": ("/orders/{number}", "403"),
    "/orders/x": ("/orders/{number}", "422"),
    "/v1/orders/1": ("/v1/orders/{number}", "200"),
    "/v2/orders/1": ("/v2/orders/{number}", "200"),
    "/v2/orders/0": ("/v2/orders/{number}", "403"),
    "/v1/inner/orders/1": ("/v1/inner/orders/{number}", "200"),
    "/v2/plain/1": ("/v2/plain/{a}", "200"),
    "/tenants/7/orders/1": ("/tenants/{tenant}/orders/{number}", "200"),
    "/tenants/8/orders/0": ("/tenants/{tenant}/orders/{number}", "403"),
    "/other/orders/1": ("/other/orders/{number}", "200"),
    "/static/a/b": ("/static/{path}", "200"),
    "/nothing": ("(unmatched)", "404"),
}
STARLETTE_LABELS = {
    "/orders/1": ("/orders/{number}", "200"),
    "/a/orders/1": ("/a/orders/{number}", "200"),
    "/b/7/orders/1": ("/b/{tenant}/orders/{number}", "200"),
    "/b/8/deep/orders/1": ("/b/{tenant}/deep/orders/{number}", "200"),
    "/nothing": ("(unmatched)", "404"),
}


def starlette_application() -> Starlette:
    """The same route object on top and below mounts, one in another."""
    shared = Route("/orders/{number}", answer)
    deep = Mount("/b/{tenant}", routes=[Mount("/deep", routes=[shared]), shared])
    return Starlette(routes=[shared, Mount("/a", routes=[shared]), deep])


@pytest.mark.parametrize("root_path", ["", "/behind"])
@pytest.mark.parametrize(
    ("make", "labels"), [(fastapi_application, FASTAPI_LABELS), (starlette_application, STARLETTE_LABELS)]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_each_request_counts_where_the_first_did(make: Any, labels: Any, root_path: str, backwards: bool) -> None:
    app, registry = watched(make())
    paths = list(labels)[::-1] if backwards else list(labels)
    call_in_turn(app, [root_path + path for path in paths], root_path=root_path)
    assert by_route(registry) == dict.fromkeys(labels.values(), 3)


def test_what_lies_under_no_mount_is_known_included_routers_too() -> None:
    app, _ = watched(fastapi_application(), clock=Ticks())
    under_mounts = ("/tenants", "/other", "/static")
    plain = [path for path in FASTAPI_LABELS if not path.startswith(under_mounts)]
    call_in_turn(app, FASTAPI_LABELS, times=1)
    assert len(app._known) == len(plain)
    call_in_turn(app, FASTAPI_LABELS)
    assert len(app._known) == len(app._kept) == len(plain)


def test_added_inside_an_application_and_inside_the_one_it_mounts() -> None:
    registry, inner = Registry(), Registry()
    app, below = FastAPI(), FastAPI()
    for each, where in ((app, registry), (below, inner)):
        each.get("/orders/{number}")(answer_number)
        each.add_middleware(PerformanceMiddleware, registry=where, breakdown=False)
    app.mount("/tenants/{tenant}", below)
    call_in_turn(app, ["/orders/1", "/tenants/7/orders/1"])
    assert by_route(registry) == {
        ("/orders/{number}", "200"): 3,
        ("/tenants/{tenant}/orders/{number}", "200"): 3,
    }
    # The outer one counts; alone, the application below counts its own.
    assert counted(inner) == {}
    call_in_turn(below, ["/orders/1"])
    assert by_route(inner) == {("/orders/{number}", "200"): 3}


@pytest.mark.parametrize("same", [True, False])
def test_of_two_middlewares_the_outer_alone_knows_routes(same: bool) -> None:
    inner, registry = watched(fastapi_application())
    outer = PerformanceMiddleware(inner, registry=registry if same else Registry(), breakdown=False)
    call_in_turn(outer, ["/orders/1", "/v1/orders/1"])
    assert inner._known == {}
    assert len(outer._known) == 2
    assert sum(counted(registry).values()) == (6 if same else 0)


def test_routes_that_are_added_and_removed_while_it_runs() -> None:
    app = FastAPI()
    watching, registry = watched(app)
    for number in range(50):
        app.get(f"/version{number}/{{item}}")(answer)
        route = app.router.routes[-1]
        route.app = PlainTextResponse("x")  # type: ignore[union-attr]
        call_in_turn(watching, [f"/version{number}/1"], times=2)
        app.router.routes.remove(route)
        del route
        gc.collect()
        call(watching, f"/version{number}/1")
    expected: dict[tuple[str, str], int] = {(f"/version{number}/{{item}}", "200"): 2 for number in range(50)}
    assert by_route(registry) == {**expected, ("(unmatched)", "404"): 50}


@pytest.mark.parametrize("bound", [0, 3, 10_000])
def test_another_object_at_the_same_address_is_another_route(monkeypatch: pytest.MonkeyPatch, bound: int) -> None:
    monkeypatch.setattr(asgi, "_KEPT", bound)
    monkeypatch.setattr(routes, "_KEPT", bound)
    app, registry = watched(leaving(route=Place))
    # Each route lives as long as its request, unless it is kept.
    for number in range(500):
        call_in_turn(app, [f"/{number}"], times=2)
    assert by_route(registry) == {(f"/{number}", "200"): 2 for number in range(500)}
    assert len(app._known) == len(app._kept) == min(bound, 1000)


def test_no_more_than_ten_thousand_routes_are_known() -> None:
    alive: weakref.WeakSet[Place] = weakref.WeakSet()

    def made(path: str) -> Place:
        place = Place("/same")
        alive.add(place)
        return place

    app, registry = watched(leaving(route=made))

    async def send(message: Any) -> None: ...

    async def serve() -> None:
        for _ in range(10_100):
            await app(scope_of(), None, send)

    asyncio.run(serve())
    assert by_route(registry) == {("/same", "200"): 10_100}
    assert len(app._known) == 10_000
    assert len(alive) == 10_000


def test_routes_beyond_the_bound_of_series_stay_unknown() -> None:
    registry = Registry(max_series=2)
    places = {f"/{number}": Place(f"/{number}") for number in range(5)}
    app = PerformanceMiddleware(leaving(route=places.get), registry=registry, breakdown=False)
    call_in_turn(app, places)
    assert by_route(registry) == {("/0", "200"): 3, ("/1", "200"): 3, ("_overflow", "_overflow"): 9}
    assert len(app._known) == 2


def test_an_endpoint_without_a_route_is_no_unmatched_request() -> None:
    endpoints: dict[str, Any] = {"/a": answer, "/b": answer_number}
    app, registry = watched(leaving(endpoint=endpoints.get))
    app.app.routes = [Route(path, endpoint) for path, endpoint in endpoints.items()]
    call_in_turn(app, ["/nothing", "/a", "/b"])
    assert by_route(registry) == {("(unmatched)", "200"): 3, ("/a", "200"): 3, ("/b", "200"): 3}


def test_a_template_without_a_route_is_no_unmatched_request() -> None:
    app, registry = watched(leaving(path_template={"/a": "/a", "/b": "/{b}"}.get))
    call_in_turn(app, ["/nothing", "/a", "/b"])
    assert by_route(registry) == {("(unmatched)", "200"): 3, ("/a", "200"): 3, ("/{b}", "200"): 3}


def test_what_the_application_notes_comes_before_what_is_known() -> None:
    class Orders:
        async def on_get(self, request: Any, response: Any, number: str) -> None:
            response.text = "x"
            response.status = 404 if number == "0" else 200

    app = falcon.asgi.App()
    app.add_route("/orders/{number}", Orders())
    app.add_route("/again/{number}", Orders())
    watching, registry = watched(app)
    call_in_turn(watching, ["/nothing", "/orders/0", "/orders/1", "/again/2"])
    assert by_route(registry) == {
        ("(unmatched)", "404"): 3,
        ("/orders/{number}", "404"): 3,
        ("/orders/{number}", "200"): 3,
        ("/again/{number}", "200"): 3,
    }


def test_a_function_that_says_the_route_is_asked_each_time() -> None:
    app, registry = watched(leaving(route=Place("/same")), route=lambda scope: scope["path"])
    call_in_turn(app, ["/a", "/b"])
    assert by_route(registry) == {("/a", "200"): 3, ("/b", "200"): 3}


def test_methods_of_one_route_are_apart() -> None:
    app, registry = watched(leaving(route=Place("/orders")))
    for method in ("GET", "POST", "INVENTED", "MADE-UP") * 2:
        call(app, "/orders", method)
    seen = {(method, count) for (method, _, _, _), count in counted(registry).items()}
    assert seen == {("GET", 2), ("POST", 2), ("_OTHER", 4)}


@pytest.mark.parametrize("access_log", [False, "text", "json"])
def test_a_status_of_another_type_is_the_same_number(access_log: Any, caplog: pytest.LogCaptureFixture) -> None:
    statuses = [200, HTTPStatus.OK, "200", 200.0, 200]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = place
        await send({**START, "status": statuses[int(scope["path"])]})
        await send(BODY)

    place = Place("/orders")
    caplog.set_level("INFO", logger="perfloop.access")
    watching, registry = watched(app, access_log=access_log)
    call_in_turn(watching, map(str, range(len(statuses))), times=1)
    assert counted(registry) == {("GET", "/orders", "200", ""): 5}
    assert values(registry, "perfloop.monitoring.failures")[()] == 0
    assert [record.status for record in caplog.records] == ([200] * 5 if access_log else [])  # type: ignore[attr-defined]


def test_what_is_not_as_usual_counts_apart_on_a_known_route() -> None:
    clock, place = Ticks(), Place("/orders")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = place
        kind = scope["path"]
        if kind == "/early":
            raise ValueError
        if kind in ("/gone", "/body"):
            await receive()
        clock.pass_(5 if kind == "/slow" else 0)
        await send(START)
        if kind == "/incomplete":
            return
        await send(BODY)
        if kind == "/late":
            raise ValueError
        clock.pass_(2 if kind == "/after" else 0)

    watching, registry = watched(app, clock=clock)
    messages = {
        "/gone": [{"type": "http.disconnect"}],
        "/body": [{"type": "http.request", "body": b"abc", "more_body": False}],
    }
    for kind in ("/", "/early", "/gone", "/slow", "/incomplete", "/late", "/after", "/body", "/") * 2:
        if kind in ("/early", "/late"):
            with pytest.raises(ValueError):
                call(watching, kind)
        else:
            call(watching, kind, messages=messages.get(kind, ()))
    assert counted(registry) == {
        ("GET", "/orders", "200", ""): 10,
        ("GET", "/orders", "500", "ValueError"): 2,
        ("GET", "/orders", "200", "client_disconnect"): 2,
        ("GET", "/orders", "200", "incomplete_response"): 2,
        ("GET", "/orders", "200", "ValueError"): 2,
    }
    assert counted(registry, "http.server.request.after_response.duration") == {("GET", "/orders", "200", ""): 2}
    assert values(registry, "http.server.request.bytes")["GET", "/orders", "200", ""] == 6
    assert [slow.duration for slow in slow_requests(registry)] == [5, 5]
    assert requests_in_flight(registry) == 0


def test_no_response_at_the_moment_the_clock_begins_is_none_on_a_known_route() -> None:
    clock, place = Ticks(), Place("/orders")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = place
        await send(START)
        if scope["path"] != "/incomplete":
            await send(BODY)

    watching, registry = watched(app, clock=clock)
    call(watching)
    clock.moment = 1e-6
    call(watching, "/incomplete")
    assert set(counted(registry)) == {("GET", "/orders", "200", ""), ("GET", "/orders", "200", "incomplete_response")}


def test_a_clock_that_jumps_back_gives_no_negative_durations_on_a_known_route() -> None:
    clock, place = Ticks(), Place("/orders")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = place
        clock.pass_(-50 if scope["path"] == "/jump" else 0.25)
        await send(START)
        await send(BODY)

    watching, registry = watched(app, clock=clock)
    call_in_turn(watching, ["/", "/jump"])
    for name in ("http.server.request.duration", "http.server.request.first_byte.duration"):
        (distribution,) = distributions(registry, name).values()
        assert (distribution.count, distribution.sum) == (6, 0.75)


def test_websockets_of_the_same_routes_are_not_counted() -> None:
    accepted: list[str] = []

    async def talk(websocket: Any) -> None:
        await websocket.accept()
        accepted.append(websocket.url.path)
        await websocket.close()

    app, registry = watched(Starlette(routes=[Route("/live", answer), WebSocketRoute("/live", talk)]))

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None: ...

    for _ in range(3):
        call(app, "/live")
        asyncio.run(app({**scope_of("/live"), "type": "websocket", "subprotocols": []}, receive, send))
    assert accepted == ["/live"] * 3
    assert by_route(registry) == {("/live", "200"): 3}
    assert requests_in_flight(registry) == 0


def test_requests_that_overlap_on_many_routes_are_each_counted_once() -> None:
    app = fastapi_application()

    @app.get("/wait/{number}")
    async def wait(number: int) -> int:
        for _ in range(number):
            await asyncio.sleep(0)
        return requests_in_flight(registry)

    watching, registry = watched(app)
    paths = [*FASTAPI_LABELS, "/wait/3", "/wait/7"] * 5

    async def serve() -> None:
        await asyncio.gather(*(acall(watching, path) for path in paths))

    threads = [threading.Thread(target=asyncio.run, args=(serve(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert by_route(registry) == {**dict.fromkeys(FASTAPI_LABELS.values(), 20), ("/wait/{number}", "200"): 40}
    assert requests_in_flight(registry) == 0
    assert values(registry, "perfloop.monitoring.failures")[()] == 0
