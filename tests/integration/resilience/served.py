"""Applications behind the middlewares, as ASGI and as WSGI: what is under `/control` is not behind them."""

from __future__ import annotations

import asyncio
import json
import threading

from perfloop.resilience import LoadShedder, remaining
from perfloop.resilience.integrations.asgi import ResilienceMiddleware
from perfloop.resilience.integrations.wsgi import WSGIResilienceMiddleware

GATE = LoadShedder(1, max_waiting=0)


class _Opening:
    """Lets what is held go on, once each time."""

    def __init__(self) -> None:
        self.held = threading.Event()


OPENING = _Opening()


async def answer(send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def held(receive) -> None:
    """Until it is opened, or the client has left."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def opened() -> None:
        while not OPENING.held.is_set():
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(left()), asyncio.create_task(opened())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def application(scope, receive, send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello"})
        await send({"type": "websocket.close"})
    elif scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await held(receive)
        await send({"type": "http.response.body", "body": b"last"})
    elif scope["path"] == "/hang":
        await held(receive)
        await answer(send, b"late")
    elif scope["path"] == "/deadline":
        await answer(send, json.dumps(remaining()).encode())
    else:
        await answer(send, b"hello")


behind = ResilienceMiddleware(application, gate=GATE)


async def app(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        return
    if not scope["path"].startswith("/control"):
        await behind(scope, receive, send)
        return
    await answer(send, control(scope["path"]))


def control(path: str) -> bytes:
    if path == "/control/open":
        OPENING.held.set()
    elif path == "/control/hold":
        OPENING.held.clear()
    return json.dumps({**GATE.gauges(), **GATE.counts()}).encode()


def plain(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [])
        return streamed()
    if path == "/endless":
        start_response("200 OK", [])
        return endless()
    body = json.dumps(remaining()).encode() if path == "/deadline" else b"hello"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def streamed():
    yield b"first"
    OPENING.held.wait(20)
    yield b"last"


def endless():
    while True:
        yield b"x" * 100_000


plain_behind = WSGIResilienceMiddleware(plain, gate=GATE)


def wsgi(environ, start_response):
    if not environ["PATH_INFO"].startswith("/control"):
        return plain_behind(environ, start_response)
    body = control(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
