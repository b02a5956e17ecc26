"""What the agent's tests share: a small database, services started with the agent, and requests to them."""

from __future__ import annotations

import asyncio
import http.client
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from perfloop.monitoring import PARTS, Observations, RequestTrace, Service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SERVICES = Path(__file__).parent / "services"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """60 purchases, 6,000 items, no index on the item's order."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        "CREATE TABLE purchase (id INTEGER PRIMARY KEY);"
        "CREATE TABLE item (id INTEGER PRIMARY KEY, order_id INTEGER, name TEXT);"
    )
    connection.executemany("INSERT INTO purchase VALUES (?)", ((number,) for number in range(1, 61)))
    rows = ((number % 60, f"name {number}") for number in range(6_000))
    connection.executemany("INSERT INTO item (order_id, name) VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def service(database: Path) -> Callable[..., Service]:
    """Start a file of services/ with a module of the tests' own interpreter: `service("uvicorn", "raw_asgi:app")`."""

    def start(*arguments: str, env: dict[str, str] | None = None, **options: object) -> Service:
        command = [sys.executable, "-m", *arguments]
        return Service(command, cwd=SERVICES, env={"TEST_DATABASE": str(database), **(env or {})}, **options)  # type: ignore[arg-type]

    return start


async def get(service: Service, *targets: str, number: int | None = None) -> list[tuple[int, bytes]]:
    """GET each target, one after another; `number` goes into the traceparent of each."""
    return await asyncio.to_thread(_get, service.url, targets, number)


def _get(url: str, targets: Sequence[str], number: int | None) -> list[tuple[int, bytes]]:
    parts = urlsplit(url)
    headers = {} if number is None else {"traceparent": f"00-{'ab' * 16}-{number:016x}-01"}
    answers = []
    for target in targets:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.request("GET", target, headers=headers)
        response = connection.getresponse()
        answers.append((response.status, response.read()))
        connection.close()
    return answers


def of_route(observations: Observations, route: str) -> RequestTrace:
    """The one request of a route; every request's parts are checked on the way."""
    for request in observations.requests:
        assert set(request.parts) <= set(PARTS)
        assert sum(request.parts.values()) == pytest.approx(request.ended - request.started, abs=1e-8)
        assert all(spent >= 0 for spent in request.parts.values())
        assert request.started <= request.first_byte <= request.ended
    found = [request for request in observations.requests if request.route == route]
    assert len(found) == 1, [request.route for request in observations.requests]
    assert not any(info.hooks_failed for info in observations.processes.values())
    return found[0]
