"""The mounted page, called as a server calls it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.live import LiveMonitor
from perfloop.live.registry_feed import DURATIONS
from perfloop.monitoring import ObjectiveMonitor
from perfloop.targets import Targets
from perfloop.telemetry import Registry

from .test_registry_feed import LABELS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

TOKEN = "a-token-of-the-user"


async def ask(
    app: Any, path: str = "/", *, root: str = "", token: str | None = TOKEN, query: str = "", method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": root + path, "root_path": root, "headers": headers}
    await app({**scope, "query_string": query.encode()}, receive, send)
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def state_in(body: bytes) -> dict[str, Any]:
    _, _, data = body.partition(b"data: ")
    state: dict[str, Any] = json.loads(data)
    return state


async def test_the_page_its_events_and_what_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.live.app._EVERY", 0.0)
    registry = Registry()
    durations = registry.histogram(DURATIONS, "Time.", labels=LABELS)
    app = LiveMonitor(token=TOKEN, registry=registry, title="The shop")
    status, headers, body = await ask(app, root="/perfloop")
    assert (status, headers["content-length"]) == (200, str(len(body)))
    assert "default-src 'none'" in headers["content-security-policy"]
    await ask(app, "/events", root="/perfloop")
    durations.labels("GET", "/orders", "200", "").observe(0.1)
    durations.labels("GET", "/perfloop/{path}", "200", "").observe(0.1)  # its own
    status, headers, body = await ask(app, "/events", root="/perfloop")
    assert (status, headers["content-type"]) == (200, "text/event-stream")
    assert body.startswith(b"retry: 500\ndata: {")
    state = state_in(body)
    assert (state["title"], [route["route"] for route in state["routes"]]) == ("The shop", ["GET /orders"])
    assert (await ask(app, "/requests/00000000000002f1"))[2] == b"null"


async def test_burn_rates_and_alerts_of_a_monitor_that_judges_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.live.app._EVERY", 0.0)
    registry = Registry()
    durations = registry.histogram(DURATIONS, "Time.", labels=LABELS)
    objectives = ObjectiveMonitor(Targets(latency_p99=0.5), registry)
    objectives.judge()
    for _ in range(20):
        durations.labels("GET", "/orders", "200", "").observe(0.8)
    objectives.judge()
    app = LiveMonitor(token=TOKEN, registry=registry, objectives=objectives)
    await ask(app, "/events")
    for _ in range(20):
        durations.labels("GET", "/orders", "200", "").observe(0.8)
    state = state_in((await ask(app, "/events"))[2])
    targets = {target["name"]: target for target in state["targets"]}
    assert (targets["latency p99"]["outcome"], targets["latency p99"]["burning"]) == ("✗ missed", True)
    assert targets["latency p99"]["budget"] == "budget of 1 % burns × 100 fast, × 100 slow"
    assert "firing" in [alert["state"] for alert in state["alerts"]]
    assert state["tone"] == "bad"


async def test_nobody_sees_anything_without_the_token() -> None:
    app = LiveMonitor(token=TOKEN, registry=Registry())
    for path in ("/", "/events", "/requests/00000000000002f1", "/other"):
        assert (await ask(app, path, token=None))[0] == 401
        assert (await ask(app, path, token="another-token-of-it"))[0] == 401
    status, headers, _ = await ask(app, root="/perfloop", token=None, query=f"token={TOKEN}")
    assert (status, headers["location"]) == (303, "./")
    assert TOKEN in headers["set-cookie"]


async def test_without_a_token_it_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERFLOOP_MONITOR_TOKEN", raising=False)
    with pytest.raises(ConfigurationError):
        LiveMonitor(registry=Registry())
    monkeypatch.setenv("PERFLOOP_MONITOR_TOKEN", TOKEN)
    assert (await ask(LiveMonitor(registry=Registry())))[0] == 200


async def test_other_methods_and_paths() -> None:
    app = LiveMonitor(token=TOKEN, registry=Registry())
    assert (await ask(app, method="POST"))[0] == 405
    assert (await ask(app, "/other"))[0] == 404


async def test_the_registry_is_read_by_one_at_a_time_and_the_others_do_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("perfloop.live.app._EVERY", 0.0)
    registry, held, reads = Registry(), threading.Event(), []

    def slow_gauge() -> float:
        reads.append(1)
        held.wait(30)
        return 1.0

    registry.observable_gauge("slow", "A gauge that takes its time.", callback=slow_gauge)
    app = LiveMonitor(token=TOKEN, registry=registry)
    first = asyncio.create_task(ask(app, "/events"))
    while not reads:
        await asyncio.sleep(0.001)
    assert (await ask(app, "/events"))[0] == 200
    assert len(reads) == 1
    held.set()
    assert (await first)[0] == 200


async def test_lifespan_and_websockets() -> None:
    app = LiveMonitor(token=TOKEN, registry=Registry())
    said: list[str] = []
    incoming = ["lifespan.startup", "lifespan.shutdown"]

    async def receive() -> dict[str, Any]:
        return {"type": incoming.pop(0)}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    incoming.append("websocket.connect")
    await app({"type": "websocket"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
