"""Server-sent events of users, against real servers and servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from perfloop.loadtest import Progress, run

from .serving import OK, Exchange, answer_ok, kinds, load_here, serve
from .sessions import endpoints, groups, options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

FIRST = "SSE /news first event"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LOOK = """\
async def look(user):
    async with user.events("/news") as events:
        user.seen = [event async for event in events]
"""


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def application() -> AsyncIterator[str]:
    """A service on uvicorn with events and a WebSocket."""
    app = FastAPI()

    @app.get("/news/{topic}")
    async def news(topic: str) -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            for number in range(3):
                yield f"id: {number}\nevent: {topic}\nretry: 5\ndata: line 1\ndata: line 2\n\n: ping\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(events(), media_type="text/event-stream")

    @app.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        while (message := await socket.receive_text()) != "bye":
            await socket.send_text(message)
        await socket.close(4000, "bye")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    serving = asyncio.ensure_future(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_a_service_on_uvicorn(load, script) -> None:
    scenario = script(
        "from perfloop.loadtest import RequestFailed\n"
        "async def look(user):\n"
        "    async with user.events('/news/{topic}', topic='sport') as events:\n"
        "        assert events.response.headers['content-type'].startswith('text/event-stream')\n"
        "        found = [event async for event in events]\n"
        "    assert [event.id for event in found] == ['0', '1', '2']\n"
        "    assert {(event.data, event.event, event.retry) for event in found} == {('line 1\\nline 2', 'sport', 5)}\n"
        "    async with user.websocket('/chat') as chat:\n"
        "        assert await chat.request('hello') == 'hello'\n"
        "        try:\n"
        "            await chat.request('bye')\n"
        "        except RequestFailed as error:\n"
        "            assert error.kind == 'closed with 4000'\n"
    )
    async with application() as url:
        outcome = await load(options(url, scenario, connections=2, request_limit=4))
    assert kinds(outcome) == {"closed with 4000": 4}
    assert outcome.results.error_kinds[0].example == "WS /chat round trip: the server closed with 4000: bye"
    assert endpoints(outcome) == {
        "SSE /news/{topic} first event": (4, 0),
        "WS /chat connect": (4, 0),
        "WS /chat round trip": (8, 4),
    }
    assert groups(outcome) == {"SSE /news/{topic} further events": (8, 0), "look": (4, 0)}
    assert outcome.results.statuses == {"101": 8, "200": 4}


async def test_the_first_event_counts_from_the_start_not_from_the_head(load, script) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(CHUNKED, chunk(b": hello\n\nid: 1\n\n"))
        await asyncio.sleep(0.2)
        await exchange.send(chunk(b"data: 1\n\n"), b"0\r\n\r\n")
        assert exchange.header("accept") == "text/event-stream"
        assert exchange.header("cache-control") == "no-store"

    async with serve(handler) as server:
        outcome = await load(options(server.url, script(LOOK), request_limit=2, keep_samples=True))
    assert kinds(outcome) == {}
    assert endpoints(outcome) == {FIRST: (2, 0)}
    samples = outcome.samples
    assert (samples.done - samples.due).min() > 0.19
    assert (samples.done - samples.first_byte).min() > 0.19
    assert samples.received_bytes.min() > len(CHUNKED)


@pytest.mark.parametrize("framing", ["chunked", "length", "to the end"])
async def test_a_stream_a_byte_at_a_time(load, script, framing: str) -> None:
    scenario = script(
        LOOK + "    assert [(event.data, event.id) for event in user.seen] == [('é', ''), ('1\\n2', 'x')], user.seen\n"
    )
    body = "\ufeffdata: é\r\n\r\ndata: 1\rdata: 2\rid: x\r\rdata: cut off".encode()

    async def handler(exchange: Exchange) -> None:
        if framing == "chunked":
            data = CHUNKED + chunk(body[:7]) + chunk(body[7:]) + b"0\r\n\r\n"
        elif framing == "length":
            data = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        else:
            data = b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"\r\n" + body
        await exchange.send(*(bytes((byte,)) for byte in data), pause=0.0005)
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {}
    assert groups(outcome) == {"SSE /news further events": (1, 0), "look": (1, 0)}


def sent(*parts: bytes, close: bool = True) -> Callable[[Exchange], Awaitable[None]]:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(*parts)
        if close:
            exchange.close()
        else:
            await exchange.reader.read()

    return handler


async def reset(exchange: Exchange) -> None:
    await exchange.send(CHUNKED)
    exchange.reset()


@pytest.mark.parametrize(
    ("handler", "kind", "example"),
    [
        (sent(b"HTTP/1.1 503 No\r\n\r\n"), "status 503", f"{FIRST} was answered with 503"),
        (sent(b"HTTP/1.1 204 No\r\n\r\n"), "no event stream", f"{FIRST}: answered with 204"),
        (sent(OK), "no event stream", f"{FIRST}: expected Content-Type text/event-stream, got none"),
        (
            sent(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"data: 1\n\n")),
            "no event stream",
            f"{FIRST}: expected no Content-Encoding, got gzip",
        ),
        (sent(b"SSH"), "invalid response", f"{FIRST}: it does not begin with HTTP/1"),
        (sent(CHUNKED + b"zz\r\n"), "invalid response", f"{FIRST}: Invalid character in chunk size"),
        (sent(b""), "closed before response", f"{FIRST}: the connection ended before a byte of the response"),
        (sent(HEAD), "closed in headers", f"{FIRST}: the connection ended after {len(HEAD)} bytes of the response"),
        (sent(CHUNKED), "closed in body", f"{FIRST}: the connection ended in the midst of the stream"),
        (sent(HEAD + b"\r\n"), "closed before first event", f"{FIRST}: the stream ended without an event"),
        (sent(HEAD + b"Content-Length: 0\r\n\r\n"), "closed before first event", f"{FIRST}: the stream ended"),
        (reset, "connection reset", f"{FIRST}: the connection ended in the midst of the stream: "),
        (sent(b"", close=False), "timeout", f"{FIRST}: nothing came within 0.5 s"),
        (sent(CHUNKED, close=False), "timeout", f"{FIRST}: nothing came within 0.5 s"),
        (
            sent(HEAD + b"\r\ndata: " + bytes(9 << 20)),
            "message too large",
            f"{FIRST}: more than 8388608 bytes without the end of the event",
        ),
    ],
)
async def test_each_way_to_fail_is_one_error_with_its_kind(load, script, handler, kind: str, example: str) -> None:
    async with serve(handler) as server:
        outcome = await load(
            options(
                server.url, script(LOOK), connections=3, request_limit=3, timeout=0.5 if kind == "timeout" else 20.0
            )
        )
    (found,) = outcome.results.error_kinds
    assert (found.kind, found.count) == (kind, 3)
    assert found.example.startswith(example)
    assert (outcome.summary.requests, outcome.summary.errors) == (3, 3)
    assert groups(outcome) == {"look": (0, 3)}
    assert outcome.latency.count == (3 if kind in ("timeout", "status 503", "no event stream") else 0)


@pytest.mark.parametrize(
    "body",
    [
        "[event async for event in events]",
        "await anext(events); await asyncio.sleep(0.1)",
        "await asyncio.sleep(0.1)",
    ],
)
@pytest.mark.parametrize("events", [b"data: 1\n\n", b""])
async def test_a_stream_that_breaks_later_is_an_error_of_its_request(script, body: str, events: bytes) -> None:
    scenario = script(
        f"import asyncio\nasync def look(user):\n    async with user.events('/news') as events:\n        {body}\n"
    )
    async with serve(sent(CHUNKED + chunk(events or b": ping\n\n"))) as server:
        outcome = await load_here(options(server.url, scenario))
    assert kinds(outcome) == {"closed in body": 1}
    assert (outcome.summary.requests, outcome.summary.errors) == (1, 1)


async def test_a_first_event_that_nobody_looks_at_is_counted_all_the_same(script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def look(user):\n"
        "    async with user.events('/news') as events:\n"
        "        await asyncio.sleep(1)\n"
    )
    async with serve(sent(CHUNKED + chunk(b"data: 1\n\n"), close=False)) as server:
        outcome = await load_here(options(server.url, scenario))
    assert (kinds(outcome), endpoints(outcome)) == ({}, {FIRST: (1, 0)})
    assert outcome.summary.latency_ms.max < 900, "it counts to its arrival"


async def test_without_a_block_it_ends_with_the_stream_or_the_iteration(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def look(user):\n"
        "    async for event in user.events('/news'):\n"
        "        user.check(event.data == '1', 'data')\n"
        "    assert not user.sessions\n"
        "    async for event in user.events('/endless', headers={'Accept': '*/*'}):\n"
        "        break\n"
        "    assert user.sessions\n"
    )

    async def handler(exchange: Exchange) -> None:
        if "endless" in exchange.line:
            assert exchange.header("accept") == "*/*"
            await exchange.send(CHUNKED + chunk(b"data: 1\n\n"))
            await exchange.reader.read()
            ended.append(1)
        else:
            await exchange.send(CHUNKED + chunk(b"data: 1\n\n" * 2) + b"0\r\n\r\n")

    ended: list[int] = []
    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, request_limit=2))
        async with asyncio.timeout(2):
            while len(ended) < 2:
                await asyncio.sleep(0.01)
    assert kinds(outcome) == {}
    assert endpoints(outcome) == {FIRST: (2, 0), "SSE /endless first event": (2, 0)}


async def test_who_listens_can_trigger_what_it_hears(load, script) -> None:
    scenario = script(
        "async def look(user):\n"
        "    async with user.events('/news') as events:\n"
        "        await user.post('/say', body='x')\n"
        "        assert (await anext(events)).data == 'x'\n"
    )
    said = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        if exchange.line.startswith("POST"):
            assert any("/news" in each.line for each in server.exchanges)
            await answer_ok(exchange)
            said.set()
        else:
            await exchange.send(CHUNKED)
            await said.wait()
            await exchange.send(chunk(b"data: x\n\n"))
            await exchange.reader.read()

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {}
    assert endpoints(outcome) == {FIRST: (1, 0), "POST /say": (1, 0)}


async def test_the_end_cuts_off_who_waits_for_further_events(load, script) -> None:
    async def handler(exchange: Exchange) -> None:
        await exchange.send(CHUNKED + chunk(b"data: 1\n\n"))
        await exchange.reader.read()

    seen: list[Progress] = []
    async with serve(handler) as server:
        given: dict[str, Any] = {"connections": 2, "request_limit": None, "duration": 0.6}
        outcome = await run(options(server.url, script(LOOK), **given), on_progress=seen.append)
        assert (seen[0].in_flight, seen[0].connections) == (0, 4)
        assert (outcome.partial, kinds(outcome)) == (False, {})
        assert outcome.events["cut off by the end"] == 2
        outcome = await load(options(server.url, script(LOOK), **given))
        assert outcome.events["cut off by the end"] == 2
        async with asyncio.timeout(2):
            while server.open:
                await asyncio.sleep(0.01)


async def test_a_server_that_reads_nothing_keeps_no_socket_open(load, script, certificate: Path) -> None:
    """Over TLS, who closes waits for the other side to close, too."""
    scenario = script(
        "async def look(user):\n"
        "    async with user.events('/news') as events:\n"
        "        await anext(events)\n"
        "    user.check(len(user.engine.transports) < 5, 'sockets')\n"
    )

    async def handler(exchange: Exchange) -> None:
        exchange.writer.transport.pause_reading()
        await exchange.send(CHUNKED + chunk(b"data: 1\n\n"))
        await asyncio.sleep(60)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(handler, tls=context) as server:
        outcome = await load(options(server.url, scenario, request_limit=10, insecure=True))
    assert kinds(outcome) == {}
