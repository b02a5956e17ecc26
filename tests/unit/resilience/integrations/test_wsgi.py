"""The WSGI middleware does as the ASGI one, for threads; a body frees the place when it ends."""

from __future__ import annotations

import gc
import io
import json
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import pytest

from perfloop.exceptions import CircuitOpen, InvalidValue, RateLimited
from perfloop.resilience.deadline import remaining
from perfloop.resilience.integrations.wsgi import WSGIResilienceMiddleware
from perfloop.resilience.priority import PRIORITY
from perfloop.resilience.shedding import LoadShedder
from perfloop.telemetry import Registry


class Client:
    def __init__(self, app, **settings) -> None:
        self.gate = LoadShedder(1, max_waiting=0, registry=Registry())
        self.app = WSGIResilienceMiddleware(app, gate=self.gate, registry=Registry(), **settings)
        self.status, self.headers = "", {}

    def start(self, **environ):
        """The body's iterable, not read yet."""
        setup_testing_defaults(environ)

        def start_response(status, headers, *error):
            self.status, self.headers = status, dict(headers)
            return lambda data: None

        return self.app(environ, start_response)

    def ask(self, **environ) -> bytes:
        body = self.start(**environ)
        try:
            return b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()

    @property
    def in_flight(self):
        return self.gate.gauges()["in_flight"]


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_what_is_let_in_passes_untouched():
    client = Client(hello)
    assert client.start() == [b"hello"]
    assert client.in_flight == 0
    assert client.gate.counts()["successful"] == 1


def test_it_keeps_to_the_standard():
    app = validator(WSGIResilienceMiddleware(validator(hello), registry=Registry()))
    environ = {"QUERY_STRING": ""}
    setup_testing_defaults(environ)
    body = app(environ, lambda status, headers, *error: lambda data: None)
    assert list(body) == [b"hello"]
    body.close()


def test_exempt_requests_pass_untouched():
    client = Client(hello, exempt=lambda environ: environ["PATH_INFO"] == "/health")
    client.gate.try_acquire()
    assert client.ask(PATH_INFO="/health") == b"hello"
    client.ask(PATH_INFO="/")
    assert client.status.startswith("503")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_let_in_is_answered_at_once(method):
    client = Client(hello)
    client.gate.try_acquire()
    body = client.ask(REQUEST_METHOD=method)
    assert client.status == "503 Service Unavailable"
    assert int(client.headers["retry-after"]) >= 1
    assert client.headers["content-type"] == "application/problem+json"
    if method == "HEAD":
        assert body == b""
    else:
        assert json.loads(body)["code"] == "load-shed"


def test_rejections_of_the_application():
    def app(environ, start_response):
        raise RateLimited("slow down")

    client = Client(app)
    assert json.loads(client.ask())["status"] == 429
    assert client.status == "429 Too Many Requests"
    assert client.in_flight == 0


def test_a_rejection_after_the_answer_began_is_an_error():
    def app(environ, start_response):
        start_response("200 OK", [])
        raise CircuitOpen("late")

    client = Client(app)
    with pytest.raises(CircuitOpen):
        client.ask()
    assert client.in_flight == 0


def streamed(environ, start_response):
    start_response("200 OK", [])
    yield b"a"
    yield b"b"


def test_a_stream_has_its_place_until_its_end():
    client = Client(streamed)
    body = client.start()
    assert client.in_flight == 1
    assert [(piece, client.in_flight) for piece in body] == [(b"a", 1), (b"b", 1)]
    assert client.in_flight == 0
    body.close()
    assert client.gate.counts()["successful"] == 1


@pytest.mark.parametrize("read", [0, 1])
def test_a_client_that_left_frees_the_place(read):
    client = Client(streamed)
    body = client.start()
    for _ in range(read):
        next(body)
    body.close()
    assert client.in_flight == 0


def test_a_server_that_never_closes_the_body():
    client = Client(streamed)
    client.start()
    gc.collect()
    assert client.in_flight == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("where", ["call", "body"])
def test_whatever_ends_it_frees_the_place(error, where):
    def body():
        yield b"a"
        raise error

    def app(environ, start_response):
        start_response("200 OK", [])
        if where == "call":
            raise error
        return body()

    client = Client(app)
    with pytest.raises(error):
        client.ask()
    assert client.in_flight == 0
    assert client.gate.counts()["failed" if error is ValueError else "ignored"] == 1


def test_a_close_that_raises_frees_the_place():
    class Body:
        def __iter__(self):
            return iter([b"a"])

        def close(self):
            raise OSError("gone")

    def app(environ, start_response):
        start_response("200 OK", [])
        return Body()

    client = Client(app)
    with pytest.raises(OSError):
        client.ask()
    assert client.in_flight == 0


def test_files_are_left_to_the_server():
    def app(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"file"))

    client = Client(app)
    body = client.start(**{"wsgi.file_wrapper": FileWrapper})
    assert isinstance(body, FileWrapper)
    assert client.in_flight == 0


def test_deadline_and_priority_hold_in_call_and_body():
    seen = []

    def app(environ, start_response):
        start_response("200 OK", [])
        for _ in range(2):
            seen.append((remaining(), PRIORITY.get()))
            yield b""

    client = Client(app, priority_header="X-Priority")
    client.ask(HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS="60000", HTTP_X_PRIORITY="sheddable")
    assert all(50 < seconds <= 60 and important == -2 for seconds, important in seen)
    assert (remaining(), PRIORITY.get()) == (None, 0)
    client.ask(HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS="never", HTTP_X_PRIORITY="x")
    assert seen[2:] == [(None, 0), (None, 0)]


def test_a_function_of_the_environment_tells_the_priority():
    def app(environ, start_response):
        start_response("200 OK", [])
        return [str(int(PRIORITY.get())).encode()]

    assert Client(app, priority=lambda environ: 1, priority_header="X-Priority").ask() == b"1"


@pytest.mark.parametrize("settings", [{"gate": object()}, {"timeout": 0}, {"deadline_header": ""}])
def test_bad_settings(settings):
    with pytest.raises(InvalidValue):
        WSGIResilienceMiddleware(hello, registry=Registry(), **settings)
