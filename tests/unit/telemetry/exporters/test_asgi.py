from __future__ import annotations

from typing import Any

import pytest

from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.asgi import metrics_asgi_app


async def call(scope: dict[str, Any], *messages: dict[str, Any], registry: Registry | None = None) -> list[Any]:
    sent: list[Any] = []
    waiting = list(messages)

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await metrics_asgi_app(registry or Registry())(scope, receive, send)
    return sent


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_it_answers_in_the_format_asked_for(method: str) -> None:
    registry = Registry()
    registry.counter("requests", "Requests.").inc(3)
    headers = [(b"accept", b"application/openmetrics-text"), (b"Accept", b"text/plain;q=0.5")]
    start, body = await call({"type": "http", "method": method, "path": "/x", "headers": headers}, registry=registry)
    fields = dict(start["headers"])
    assert start["status"] == 200
    assert fields[b"content-type"].startswith(b"application/openmetrics-text")
    text = b"# HELP requests Requests.\n# TYPE requests counter\nrequests_total 3\n# EOF\n"
    assert fields[b"content-length"] == b"%d" % len(text)
    assert body["body"] == (text if method == "GET" else b"")


async def test_other_methods_are_refused() -> None:
    start, _ = await call({"type": "http", "method": "POST", "path": "/", "headers": []})
    assert (start["status"], dict(start["headers"])[b"allow"]) == (405, b"GET, HEAD")


async def test_it_lives_by_itself() -> None:
    sent = await call({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_websocket_is_closed() -> None:
    [close] = await call({"type": "websocket"}, {"type": "websocket.connect"})
    assert close["type"] == "websocket.close"
