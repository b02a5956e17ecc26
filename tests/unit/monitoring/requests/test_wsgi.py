"""The WSGI middleware: what it counts, and that it stays out of the way."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.monitoring.requests import WSGIPerformanceMiddleware, requests_in_flight
from perfloop.telemetry import Registry

from .calling import Ticks, call_wsgi, counted, distributions, values

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = ("GET", "(unmatched)", "200", "")
DURATION = "http.server.request.duration"


def watched(app: Any, **options: Any) -> tuple[Any, Registry]:
    registry = Registry()
    return WSGIPerformanceMiddleware(app, registry=registry, **options), registry


def hello(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Content-Length", "5")])
    return [b"he", b"llo"]


def test_a_request_is_counted_with_its_labels_and_bytes() -> None:
    app, registry = watched(hello)
    assert call_wsgi(app, "/x", "POST", CONTENT_LENGTH="7") == ("200 OK", [("Content-Length", "5")], b"hello")
    labels = ("POST", "(unmatched)", "200", "")
    assert counted(registry) == {labels: 1}
    assert values(registry, "http.server.request.bytes") == {labels: 7}
    assert values(registry, "http.server.response.bytes") == {labels: 5}
    assert requests_in_flight(registry) == 0


def test_a_list_reaches_the_server_as_it_is() -> None:
    whole = [b"x"]

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return whole

    assert watched(app)[0]({"REQUEST_METHOD": "GET"}, lambda *_: None) is whole


def test_a_file_reaches_the_servers_wrapper() -> None:
    class Wrapper:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter(self.file)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"x"))

    middleware, registry = watched(app)
    body = middleware({"REQUEST_METHOD": "GET", "wsgi.file_wrapper": Wrapper}, lambda *_: None)
    assert type(body) is Wrapper
    assert counted(registry) == {OK: 1}


def test_first_byte_last_byte_and_the_work_after_are_apart() -> None:
    clock = Ticks()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            clock.pass_(0.25)
            yield b""
            clock.pass_(0.25)
            yield b"first"
            clock.pass_(0.5)
            yield b"last"
            clock.pass_(1)

        def close(self) -> None:
            clock.pass_(2)

    def app(environ: Any, start_response: Any) -> Any:
        clock.pass_(0.5)
        start_response("200 OK", [])
        return Body()

    middleware, registry = watched(app, clock=clock)
    assert call_wsgi(middleware)[2] == b"firstlast"
    assert distributions(registry, "http.server.request.first_byte.duration")[OK].sum == 1
    assert distributions(registry, DURATION)[OK].sum == 1.5
    assert distributions(registry, "http.server.request.after_response.duration")[OK].sum == 3


def test_what_is_written_counts() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"written")
        return []

    middleware, registry = watched(app)
    assert call_wsgi(middleware)[2] == b"written"
    assert values(registry, "http.server.response.bytes") == {OK: 7}


def test_an_application_that_raises_before_headers() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        raise ValueError

    middleware, registry = watched(app)
    with pytest.raises(ValueError):
        call_wsgi(middleware)
    assert counted(registry) == {("GET", "(unmatched)", "500", "ValueError"): 1}
    assert requests_in_flight(registry) == 0


def test_an_application_that_raises_in_its_body() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"x"
        raise ValueError

    middleware, registry = watched(app)
    with pytest.raises(ValueError):
        call_wsgi(middleware)
    assert counted(registry) == {("GET", "(unmatched)", "200", "ValueError"): 1}


def test_the_head_that_replaces_another_after_an_exception() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            raise ValueError
        except ValueError:
            start_response("500 Oops", [], sys.exc_info())
        return [b"sorry"]

    middleware, registry = watched(app)
    call_wsgi(middleware)
    assert counted(registry) == {("GET", "(unmatched)", "500", "500"): 1}


@pytest.mark.parametrize(
    ("method", "status", "length", "error"),
    [
        ("GET", "200 OK", "10", "client_disconnect"),
        ("GET", "200 OK", None, "client_disconnect"),
        ("GET", "200 OK", "5", ""),
        ("HEAD", "200 OK", "10", ""),
        ("GET", "304 Not Modified", None, ""),
    ],
)
def test_a_body_closed_before_its_end(method: str, status: str, length: str | None, error: str) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [] if length is None else [("Content-Length", length)])
        yield b"hello"
        yield b"world"

    middleware, registry = watched(app)
    body = middleware({"REQUEST_METHOD": method}, lambda *_: None)
    next(iter(body))
    body.close()
    assert counted(registry) == {(method, "(unmatched)", status[:3], error): 1}
    assert requests_in_flight(registry) == 0


def test_a_server_that_never_closes() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"hello"

    middleware, registry = watched(app)
    body = middleware({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert list(body) == [b"hello"]
    assert requests_in_flight(registry) == 1
    del body
    assert requests_in_flight(registry) == 0
    assert counted(registry) == {OK: 1}


def test_a_body_that_is_closed_twice_counts_once() -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"hello"

    middleware, registry = watched(app)
    body = middleware({"REQUEST_METHOD": "GET"}, lambda *_: None)
    list(body)
    body.close()
    body.close()
    assert counted(registry) == {OK: 1}


def test_the_body_keeps_its_length_and_other_attributes() -> None:
    class Sized:
        mimetype = "text/plain"

        def __iter__(self) -> Iterator[bytes]:
            return iter((b"x", b"y"))

        def __len__(self) -> int:
            return 2

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Sized()

    body = watched(app)[0]({"REQUEST_METHOD": "GET"}, lambda *_: None)
    assert len(body) == 2
    assert body.mimetype == "text/plain"


def test_of_two_middlewares_the_outer_counts() -> None:
    registry = Registry()
    app = WSGIPerformanceMiddleware(WSGIPerformanceMiddleware(hello, registry=registry), registry=registry)
    call_wsgi(app)
    assert counted(registry) == {OK: 1}


def test_server_timing() -> None:
    clock = Ticks()

    def app(environ: Any, start_response: Any) -> Any:
        clock.pass_(0.0125)
        return hello(environ, start_response)

    middleware, _ = watched(app, clock=clock, server_timing=True)
    assert call_wsgi(middleware)[1][-1] == ("Server-Timing", "app;dur=12.500")


@pytest.mark.parametrize("status", ["", "nonsense", None])
def test_a_status_that_is_none(status: Any) -> None:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, [])
        return [b""]

    middleware, registry = watched(app)
    call_wsgi(middleware)
    assert counted(registry) == {("GET", "(unmatched)", "", ""): 1}


def test_a_content_length_that_is_no_number() -> None:
    app, registry = watched(hello)
    call_wsgi(app, CONTENT_LENGTH="many")
    assert counted(registry) == {OK: 1}
