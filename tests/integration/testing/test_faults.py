"""What a client sees of the faults, over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import sys
import time
from urllib.parse import urlsplit

import pytest

from tests.servers.processes import free_port, run_server
from tests.servers.uvicorn import REPOSITORY, run_uvicorn

from .faulty_apps import BODY

MODULE = "tests.integration.testing.faulty_apps"


@contextlib.contextmanager
def run_waitress(**env: str):
    port = free_port()
    command = [sys.executable, "-m", "waitress", f"--listen=127.0.0.1:{port}", f"{MODULE}:wsgi"]
    with run_server(command, ready=lambda server: "Serving on" in server.output(), env=env, cwd=REPOSITORY):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def run_asgi(**env: str):
    with run_uvicorn(f"{MODULE}:asgi", **env) as url:
        yield url


SERVERS = {"uvicorn": run_asgi, "waitress": run_waitress}


@pytest.fixture(scope="module", params=sorted(SERVERS))
def url(request):
    with SERVERS[request.param](PERFLOOP_ALLOW_FAULTS="1") as url:
        yield url


def get(url: str, path: str, fault: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={} if fault is None else {"x-perfloop-fault": fault})
        response = connection.getresponse()
        return response.status, response.read()


def test_other_routes_are_left_alone(url) -> None:
    assert get(url, "/") == (200, BODY)
    assert get(url, "/stream") == (200, BODY)


@pytest.mark.parametrize("request_", [("/slow",), ("/", "latency=200ms")])
def test_an_answer_is_slow(url, request_) -> None:
    started = time.monotonic()
    assert get(url, *request_) == (200, BODY)
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize("request_", [("/status",), ("/", "status=503")])
def test_an_answer_is_an_error(url, request_) -> None:
    assert get(url, *request_) == (503, b"injected fault\n")


def test_an_application_raises(url) -> None:
    assert get(url, "/error")[0] == 500


@pytest.mark.parametrize("request_", [("/reset",), ("/", "reset")])
def test_a_connection_is_reset(url, request_) -> None:
    for _ in range(3):
        with pytest.raises(ConnectionResetError):
            get(url, *request_)
    assert get(url, "/") == (200, BODY)


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (("/partial",), 100),
        (("/", "partial=100B"), 100),
        (("/partial/stream",), 100),
        (("/partial/long",), len(BODY) - 1),
        (("/", "partial=1B"), 1),
    ],
)
def test_a_body_ends_early(url, request_, size) -> None:
    with pytest.raises(http.client.IncompleteRead) as raised:
        get(url, *request_)
    # Of a chunked body http.client drops the chunk it has not read to its end.
    assert BODY.startswith(raised.value.partial)
    if "stream" not in request_[0]:
        assert len(raised.value.partial) == size
    assert get(url, "/") == (200, BODY)


def test_a_header_that_is_none_is_told_so(url) -> None:
    status, body = get(url, "/", "explode")
    assert status == 400
    assert b"Expected latency=200ms, status=503, reset, partial=1kB or probability=0.5" in body


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_in_production_nothing_goes_wrong(server) -> None:
    with SERVERS[server](PYTEST_CURRENT_TEST="tests", APP_ENV="production") as url:
        for request in ("/reset",), ("/partial",), ("/", "status=503"), ("/", "explode"):
            assert get(url, *request) == (200, BODY)
