"""Where each framework leaves the template of the route it matched."""

from __future__ import annotations

from typing import Any

import falcon
import falcon.asgi
import pytest
from django.conf import settings
from fastapi import APIRouter, FastAPI
from flask import Flask
from litestar import Litestar, get
from litestar.params import FromPath  # noqa: TC002 - read at run time
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from perfloop.monitoring.requests import PerformanceMiddleware, WSGIPerformanceMiddleware
from perfloop.telemetry import Registry

from .calling import call, call_wsgi, counted


def routes(app: Any, *paths: str, wsgi: bool = False, **more: Any) -> list[str]:
    """The route label that each path got."""
    labels = []
    for path in paths:
        registry = Registry()
        if wsgi:
            call_wsgi(WSGIPerformanceMiddleware(app, registry=registry), path)
        else:
            call(PerformanceMiddleware(app, registry=registry), path, **more)
        labels += [route for _, route, _, _ in counted(registry)]
    return labels


async def answer(request: Any) -> Any:
    return PlainTextResponse("x")


def test_starlette() -> None:
    app = Starlette(routes=[Route("/orders/{number:int}", answer)])
    assert routes(app, "/orders/7", "/nothing") == ["/orders/{number}", "(unmatched)"]


def test_starlettes_mounts_give_their_template_not_their_path() -> None:
    inner = [Route("/c/{d}", answer), Mount("/n/{u}", routes=[Route("/e", answer)])]
    app = Starlette(routes=[Mount("/m/{t:int}", routes=inner)])
    paths = ("/m/07/c/3", "/m/8/n/5/e", "/m/8/nothing")
    assert routes(app, *paths) == ["/m/{t}/c/{d}", "/m/{t}/n/{u}/e", "/m/{t}/{path}"]


def test_an_application_served_below_a_path_of_its_server() -> None:
    app = Starlette(routes=[Mount("/m", routes=[Route("/c/{d}", answer)])])
    assert routes(app, "/behind/m/c/1", root_path="/behind") == ["/m/c/{d}"]


def test_fastapi_with_routes_and_mounts_of_starlette() -> None:
    app, router = FastAPI(), APIRouter()
    app.add_route("/plain/{a}", answer)
    app.add_route("/again/{b}", answer)
    app.mount("/static/{c}", PlainTextResponse("x"))
    router.add_route("/within/{d}", answer)
    app.include_router(router, prefix="/v1")
    paths = ("/docs", "/plain/1", "/again/2", "/static/3/secret", "/v1/within/4", "/nothing")
    labels = ["/docs", "/plain/{a}", "/again/{b}", "/static/{c}/{path}", "/v1/within/{d}", "(unmatched)"]
    assert routes(app, *paths) == labels
    assert routes(app, *(f"/behind{path}" for path in paths), root_path="/behind") == labels


def test_fastapi_with_routers_and_mounted_applications() -> None:
    app, below, router = FastAPI(), FastAPI(), APIRouter(prefix="/v1")

    @app.get("/orders/{number}")
    async def order(number: int) -> None:
        pass

    @router.get("/x/{y}")
    def of_router(y: str) -> None:
        pass

    @below.get("/deep/{z}")
    async def deep(z: str) -> None:
        pass

    app.include_router(router, prefix="/api")
    app.mount("/tenants/{t}", below)
    paths = ("/orders/1", "/orders/x", "/api/v1/x/9", "/tenants/7/deep/3", "/nothing")
    assert routes(app, *paths) == [
        "/orders/{number}",
        "/orders/{number}",
        "/api/v1/x/{y}",
        "/tenants/{t}/deep/{z}",
        "(unmatched)",
    ]


def test_added_to_a_fastapi_application_inside() -> None:
    registry = Registry()
    app = FastAPI()
    app.add_middleware(PerformanceMiddleware, registry=registry)

    @app.get("/orders/{number}")
    async def order(number: int) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        call(app, "/orders/1")
    assert counted(registry) == {("GET", "/orders/{number}", "500", "ValueError"): 1}


def test_litestar() -> None:
    @get("/orders/{order_id:int}")
    async def order(order_id: FromPath[int]) -> str:
        return "x"

    assert routes(Litestar([order]), "/orders/7", "/nothing") == ["/orders/{order_id}", "(unmatched)"]


def test_falcon() -> None:
    class Orders:
        def on_get(self, request: Any, response: Any, number: str) -> None:
            response.text = "x"

    class AsyncOrders:
        async def on_get(self, request: Any, response: Any, number: str) -> None:
            response.text = "x"

    app, async_app = falcon.App(), falcon.asgi.App()
    app.add_route("/orders/{number}", Orders())
    async_app.add_route("/orders/{number}", AsyncOrders())
    assert routes(app, "/orders/7", "/nothing", wsgi=True) == ["/orders/{number}", "(unmatched)"]
    assert routes(async_app, "/orders/7", "/nothing") == ["/orders/{number}", "(unmatched)"]


def test_flask() -> None:
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def order(number: int) -> str:
        return "x"

    @app.get("/broken/<int:number>")
    def broken(number: int) -> str:
        raise ValueError

    paths = ("/orders/7", "/broken/7", "/nothing")
    assert routes(app, *paths, wsgi=True) == ["/orders/<int:number>", "/broken/<int:number>", "(unmatched)"]


@pytest.fixture
def django_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=[], LOGGING_CONFIG=None
        )
        import django

        django.setup()
    from django.test.utils import override_settings
    from django.urls import clear_url_caches

    override = override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
    override.enable()
    monkeypatch.setattr("django.core.signals.request_finished.receivers", [])
    clear_url_caches()
    yield
    override.disable()
    clear_url_caches()


def django_view(request: Any, **parameters: Any) -> Any:
    from django.http import HttpResponse

    return HttpResponse("x")


def __getattr__(name: str) -> Any:
    if name != "urlpatterns":
        raise AttributeError(name)
    from django.urls import include, path, re_path

    return [
        path("orders/<int:number>/", django_view),
        re_path(r"^old/(?P<id>\d+)$", django_view),
        path("api/", include([path("x/<slug:y>", django_view)])),
    ]


@pytest.mark.usefixtures("django_urls")
def test_django() -> None:
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    paths = ("/orders/7/", "/old/7", "/api/x/9", "/nothing")
    expected = ["/orders/<int:number>/", r"/old/(?P<id>\d+)$", "/api/x/<slug:y>", "(unmatched)"]
    assert routes(get_wsgi_application(), *paths, wsgi=True) == expected
    assert routes(get_asgi_application(), *paths) == expected


def test_a_middleware_in_between_that_copies_the_scope() -> None:
    app = falcon.asgi.App()

    class Orders:
        async def on_get(self, request: Any, response: Any, number: str) -> None:
            response.text = "x"

    app.add_route("/orders/{number}", Orders())

    class Copying:
        def __init__(self) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(dict(scope), receive, send)

    assert routes(Copying(), "/orders/7") == ["/orders/{number}"]


def test_a_function_says_it_for_frameworks_that_are_not_known() -> None:
    registry = Registry()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["my.route"] = "/mine/:id"
        await answer(None)  # sends nothing

    middleware = PerformanceMiddleware(app, registry=registry, route=lambda scope: scope.get("my.route"))
    call(middleware, "/mine/1")
    assert [route for _, route, _, _ in counted(registry)] == ["/mine/:id"]
