"""The middlewares under real servers: who is let in, who is not, and that each place comes back."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from ...servers.processes import free_port, run_server
from ...servers.uvicorn import REPOSITORY, run_uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED = "tests.integration.resilience.served"


@contextlib.contextmanager
def run_wsgi(server: str) -> Iterator[str]:
    port = free_port()
    command = {
        "gunicorn": ["gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", f"{SERVED}:wsgi"],
        "waitress": ["waitress", "--listen", f"127.0.0.1:{port}", "--threads", "4", f"{SERVED}:wsgi"],
    }[server]

    def ready(_) -> bool:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True

    with run_server([sys.executable, "-m", *command], ready=ready, cwd=REPOSITORY):
        yield f"http://127.0.0.1:{port}"


def running(server: str) -> contextlib.AbstractContextManager[str]:
    return run_uvicorn(f"{SERVED}:app") if server == "uvicorn" else run_wsgi(server)


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn", "waitress"])
def url(request) -> Iterator[str]:
    with running(request.param) as url:
        yield url


@pytest.fixture
def service(url: str) -> Iterator[Service]:
    service = Service(url)
    service.control("hold")
    yield service
    service.control("open")
    service.wait_until_free()


class Service:
    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, timeout=20)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response, response.read()

    def control(self, action: str = "") -> dict[str, int]:
        return json.loads(self.ask(f"/control/{action}")[1])

    def wait_until_free(self) -> None:
        deadline = time.monotonic() + 20
        while (state := self.control())["in_flight"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.02)

    @contextlib.contextmanager
    def streaming(self, path: str = "/stream") -> Iterator[http.client.HTTPResponse]:
        """A stream that has begun, and has the one place."""
        with contextlib.closing(self.connection()) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            yield response


def test_what_is_let_in_is_answered(service: Service) -> None:
    response, body = service.ask("/")
    assert (response.status, body) == (200, b"hello")
    assert service.control()["in_flight"] == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_what_is_not_let_in_is_told_when_to_come_back(service: Service, method: str) -> None:
    with service.streaming():
        response, body = service.ask("/", method)
    assert response.status == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) >= 1
    if method != "HEAD":
        assert json.loads(body)["code"] == "load-shed"


def test_the_connection_of_who_was_turned_away_goes_on(service: Service) -> None:
    with contextlib.closing(service.connection()) as connection:
        with service.streaming() as stream:
            connection.request("GET", "/")
            response = connection.getresponse()
            assert response.status == 503
            response.read()
            service.control("open")
            assert stream.read().endswith(b"last")
        service.wait_until_free()
        connection.request("GET", "/")
        assert connection.getresponse().status == 200


def test_a_stream_has_its_place_until_its_end(service: Service) -> None:
    with service.streaming() as stream:
        assert stream.read(5) == b"first"
        assert service.control()["in_flight"] == 1
        service.control("open")
        assert stream.read().endswith(b"last")
    service.wait_until_free()


def test_the_deadline_of_the_caller_arrives(service: Service) -> None:
    _, body = service.ask("/deadline", x_envoy_expected_rq_timeout_ms="60000")
    assert 30 < json.loads(body) <= 60
    assert json.loads(service.ask("/deadline")[1]) is None


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[str]:
    with run_uvicorn(f"{SERVED}:app") as url:
        yield url


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])  # waitress calls an application with whole bodies only
def test_a_request_is_turned_away_before_its_body_has_come(server: str) -> None:
    with running(server) as url:
        service, address = Service(url), urlsplit(url)
        service.control("hold")
        with service.streaming(), socket.create_connection((address.hostname, address.port), timeout=20) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nbegin")
            assert client.recv(1000).startswith(b"HTTP/1.1 503 ")
            service.control("open")


@pytest.mark.parametrize("path", ["/stream", "/hang"])
def test_a_client_that_leaves_frees_its_place(uvicorn: str, path: str) -> None:
    service = Service(uvicorn)
    service.control("hold")
    with contextlib.closing(service.connection()) as connection:
        connection.request("GET", path)
        deadline = time.monotonic() + 20
        while not service.control()["in_flight"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    service.wait_until_free()
    assert service.ask("/")[0].status == 200


def test_a_client_that_leaves_an_endless_body_frees_its_place() -> None:
    with running("gunicorn") as url:
        service = Service(url)
        with service.streaming("/endless") as stream:
            stream.read(10)
            assert service.control()["in_flight"] == 1
        service.wait_until_free()


def test_websockets_pass_while_nobody_is_let_in(uvicorn: str) -> None:
    service = Service(uvicorn)
    service.control("hold")
    with service.streaming(), connect(uvicorn.replace("http", "ws")) as websocket:
        assert websocket.recv(timeout=20) == "hello"
    service.wait_until_free()


def test_who_sends_a_large_body_and_is_turned_away_gets_the_answer(service: Service) -> None:
    with service.streaming():
        response, body = service.ask("/", "POST", b"x" * 3_000_000)
    assert response.status == 503
    assert json.loads(body)["status"] == 503
