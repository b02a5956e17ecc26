from __future__ import annotations

import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from perfloop.diagnosis.discovery import discover_requests, parameterless_gets

PAGE = {
    "openapi": "3.1.0",
    "paths": {
        "/orders": {"get": {"parameters": [{"name": "page", "in": "query", "required": False}]}, "post": {}},
        "/orders/{id}": {"get": {"parameters": [{"name": "id", "in": "path", "required": True}]}},
        "/search": {"get": {"parameters": [{"name": "q", "in": "query", "required": True}]}},
        "/tenant": {"parameters": [{"name": "X-Tenant", "in": "header", "required": True}], "get": {}},
        "/shared": {"get": {"parameters": [{"$ref": "#/components/parameters/Any"}]}},
        "/admin": {"get": {"security": [{"OAuth2": []}]}},
        "/old": {"get": {"deprecated": True}},
        "/delete-me": {"delete": {}},
        "/ping": {"get": {}},
        "/docs": {"get": {}},
        "broken": {"get": {}},
    },
}


def test_only_gets_that_need_nothing() -> None:
    found = parameterless_gets(PAGE)
    assert [(request.method, request.target) for request in found] == [("GET", "/orders"), ("GET", "/ping")]


@pytest.mark.parametrize("page", [None, [], {}, {"paths": []}, {"paths": {"/a": None}}, {"paths": {"/a": {"get": 1}}}])
def test_pages_that_are_none(page) -> None:
    assert parameterless_gets(page) == ()


def test_at_most_twenty() -> None:
    assert len(parameterless_gets({"paths": {f"/{number}": {"get": {}} for number in range(50)}})) == 20


@contextmanager
def serving(body: bytes, status: int = 200):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_reads_the_page() -> None:
    with serving(json.dumps(PAGE).encode()) as url:
        found, origin = discover_requests(url)
    assert [request.target for request in found] == ["/orders", "/ping"]
    assert origin == "the 2 parameterless GETs of its OpenAPI page"


@pytest.mark.parametrize(("body", "status"), [(b"<html>", 200), (b"{}", 200), (b"{}", 404), (b"\xff", 200)])
def test_without_a_page_the_front_page(body, status) -> None:
    with serving(body, status) as url:
        found, origin = discover_requests(url)
    assert [request.target for request in found] == ["/"]
    assert "no OpenAPI page" in origin


def test_nobody_there_is_no_page() -> None:
    with serving(b"") as url:
        pass
    assert [request.target for request in discover_requests(url, timeout=1.0)[0]] == ["/"]
