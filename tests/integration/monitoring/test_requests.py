"""The middleware under a real server: what clients do arrives in the metrics."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from ...servers.uvicorn import run_uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with run_uvicorn("tests.integration.monitoring.watched:app") as url:
        yield url


def fetch(url: str) -> tuple[dict[str, str], str]:
    with urllib.request.urlopen(url, timeout=20) as response:
        return {name.lower(): value for name, value in response.headers.items()}, response.read().decode()


def sample(service: str, name: str, **labels: str) -> float:
    """The samples of that name whose labels hold these values, added."""
    total = 0.0
    for line in fetch(f"{service}/metrics/")[1].splitlines():
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and all(f'{label}="{held}"' in series for label, held in labels.items()):
            total += float(value)
    return total


def wait_for(service: str, name: str, least: float, **labels: str) -> float:
    deadline = time.monotonic() + 30
    while (value := sample(service, name, **labels)) < least:
        assert time.monotonic() < deadline, f"{name} {labels} is {value}"
        time.sleep(0.05)
    return value


def test_requests_are_counted_under_their_template(service: str) -> None:
    for number in range(20):
        headers, body = fetch(f"{service}/orders/{number}")
        assert json.loads(body) == {"id": number}
        assert headers["server-timing"].startswith("app;dur=")
    labels = {"http_route": "/orders/{number}", "http_response_status_code": "200", "error_type": ""}
    assert wait_for(service, "http_server_request_duration_seconds_count", 20, **labels) == 20


def test_an_exception_is_an_error_with_its_type(service: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="500"):
        fetch(f"{service}/broken")
    labels = {"http_route": "/broken", "http_response_status_code": "500", "error_type": "ValueError"}
    assert wait_for(service, "http_server_request_duration_seconds_count", 1, **labels) == 1


def test_a_client_that_hangs_up_is_counted_and_leaves_nothing_in_flight(service: str) -> None:
    place = urlsplit(service)
    with contextlib.closing(socket.create_connection((place.hostname, place.port), timeout=20)) as client:
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(10_000)
    labels = {"http_route": "/stream", "error_type": "client_disconnect"}
    wait_for(service, "http_server_request_duration_seconds_count", 1, **labels)
    # The request that reads it is in flight itself.
    assert sample(service, "http_server_active_requests") == 1


def test_background_tasks_are_no_latency(service: str) -> None:
    fetch(f"{service}/later")
    labels = {"http_route": "/later"}
    wait_for(service, "http_server_request_after_response_duration_seconds_count", 1, **labels)
    after = sample(service, "http_server_request_after_response_duration_seconds_sum", **labels)
    # A loop may wake a little early.
    assert after >= 0.05
    assert sample(service, "http_server_request_duration_seconds_count", **labels) == 1


def test_a_slow_request_is_kept_under_its_template(service: str) -> None:
    fetch(f"{service}/slow")
    assert any("GET /slow 200 took" in line for line in json.loads(fetch(f"{service}/slowest")[1]))
