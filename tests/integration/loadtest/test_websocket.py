"""WebSocket sessions of users against real servers, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import serve as serve_websockets
from websockets.asyncio.server import unix_serve

from perfloop.exceptions import MissingExtra
from perfloop.loadtest import LoadOptions, LoadOutcome, Progress, run
from perfloop.loadtest.scenario import session

from .serving import OK, Exchange, answer_ok, kinds, load_here, serve
from .sessions import (
    ASK,
    CLOSE,
    CONNECT,
    CONTINUED,
    PING,
    PONG,
    ROUND_TRIP,
    TEXT,
    endpoints,
    frame,
    groups,
    options,
    read_frame,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection


CHAT = """\
async def chat(user):
    async with user.websocket("/ws/{room}", room="a b", headers={"X-Who": str(user.number)}) as ws:
        assert ws.response.status == 101
        assert await ws.request("ping") == "ping"
        assert await ws.request(b"\\0" * 70_000) == b"\\0" * 70_000
        await ws.send("one")
        await ws.send(b"two")
        assert [await ws.receive(), await ws.receive()] == ["one", b"two"]
        user.check(False, "checks are about the round trip")
"""


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def check_chat(load: Callable[[LoadOptions], Awaitable[LoadOutcome]], given: LoadOptions) -> None:
    outcome = await load(given)
    assert kinds(outcome) == {"check: checks are about the round trip": 4}
    assert endpoints(outcome) == {CONNECT: (4, 0), ROUND_TRIP: (8, 4)}
    assert groups(outcome) == {"WS /ws/{room} receive": (8, 0), "chat": (4, 0)}
    assert outcome.results.statuses == {"101": 12}
    assert outcome.summary.bytes_received > 4 * 70_000
    assert (outcome.summary.requests, outcome.latency.count, outcome.partial) == (12, 12, False)
    assert "close not answered" not in outcome.events


async def test_messages_go_to_and_fro(load, script) -> None:
    seen: list[tuple[str, str, int | None]] = []

    async def handler(connection: ServerConnection) -> None:
        await echo(connection)
        assert connection.request is not None
        seen.append((connection.request.path, connection.request.headers["X-Who"], connection.close_code))

    async with serve_websockets(handler, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        given = options(f"http://127.0.0.1:{port}", script(CHAT), connections=2, request_limit=4)
        await check_chat(load, given)
    assert sorted(seen) == [("/ws/a%20b", "0", 1000)] * 2 + [("/ws/a%20b", "1", 1000)] * 2


async def test_over_tls(load, script, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve_websockets(echo, "127.0.0.1", 0, ssl=context) as server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        await check_chat(load, options(url, script(CHAT), connections=2, request_limit=4, insecure=True))


async def test_a_server_that_reads_nothing_keeps_no_socket_open(
    load, script, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over TLS, who closes waits for the other side to close, too."""
    monkeypatch.setattr(session, "CLOSING_SECONDS", 0.05)
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    try:\n"
        "        async with user.websocket('/ws/{room}', room=1) as ws, asyncio.timeout(0.02):\n"
        "            await ws.request('?')\n"
        "    except TimeoutError:\n"
        "        for _ in range(100):\n"
        "            await asyncio.sleep(0.02)\n"
        "            if len(user.engine.transports) < 2: return\n"
        "    user.check(False, 'sockets')\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        exchange.writer.transport.pause_reading()
        await asyncio.sleep(60)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    async with serve(handler, tls=context) as server:
        outcome = await load(options(server.url, scenario, request_limit=3, insecure=True))
    assert kinds(outcome) == {"given up": 3}


async def test_over_a_unix_socket(load, script, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    async with unix_serve(echo, path):
        url = "http+unix://" + path.replace("/", "%2F")
        await check_chat(load, options(url, script(CHAT), connections=2, request_limit=4))


async def test_the_upgrade_has_the_users_cookies_and_the_common_headers(load, script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    await user.get('/login')\n"
        "    async with user.websocket('/ws/{room}', room=1, subprotocols=['v2', 'v1']) as ws:\n"
        "        assert ws.subprotocol == 'v1'\n"
        "        await user.get('/meanwhile')\n"
        "        assert await ws.request('?') == 'welcome'\n"
        "    assert user.cookies.values('/') == {'session': '1', 'seen': '2'}\n"
    )

    async def handler(exchange: Exchange) -> None:
        if exchange.header("upgrade") is None:
            await exchange.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 2\r\n\r\nok")
            return
        await upgrade(exchange, "Sec-WebSocket-Protocol: v1", "Set-Cookie: seen=2; Path=/")
        assert await read_frame(exchange) == (TEXT, b"?")
        await exchange.send(frame(TEXT, b"welcome"))
        assert await read_frame(exchange) == (CLOSE, struct.pack("!H", 1000))
        await exchange.send(frame(CLOSE, struct.pack("!H", 1000)))
        exchange.close()

    async with serve(handler) as server:
        given = options(server.url, scenario, headers=(("X-Key", "k"), ("Connection", "close")), trace=True)
        outcome = await load(given)
        (asked,) = (each for each in server.exchanges if each.header("upgrade"))
        assert kinds(outcome) == {}
        assert asked.header("connection") == "Upgrade"
        assert asked.header("cookie") == "session=1"
        assert asked.header("x-key") == "k"
        assert asked.header("sec-websocket-protocol") == "v2, v1"
        assert asked.header("sec-websocket-extensions") is None
        assert asked.header("traceparent") is not None
        assert asked.head.lower().count(b"connection:") == 1
    assert outcome.summary.requests == 4
    assert [each.line.split()[1] for each in server.exchanges] == ["/login", "/ws/1", "/meanwhile"]


@contextlib.asynccontextmanager
async def byte_by_byte(data: bytes) -> AsyncIterator[tuple[str, list[tuple[int, bytes]]]]:
    """A server that upgrades and sends these bytes each on its own; and the frames it got."""
    got: list[tuple[int, bytes]] = []

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        got.append(await read_frame(exchange))
        await exchange.send(*(bytes((byte,)) for byte in data), pause=0.001)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                got.append(await read_frame(exchange))
                if got[-1][0] == CLOSE:
                    await exchange.send(frame(CLOSE, got[-1][1]))
                    exchange.close()

    async with serve(handler) as server:
        yield server.url, got


async def test_fragments_and_pings_a_byte_at_a_time(load, script) -> None:
    scenario = script(ASK.replace("await", "assert await", 1).replace("('?')", "('?') == 'é!'"))
    data = frame(TEXT, b"\xc3", final=False) + frame(PING, b"p") + frame(CONTINUED, b"\xa9!")
    async with byte_by_byte(data) as (url, got):
        outcome = await load(options(url, scenario))
    assert kinds(outcome) == {}
    assert got == [(TEXT, b"?"), (PONG, b"p"), (CLOSE, struct.pack("!H", 1000))]


async def test_messages_behind_the_head_and_of_others(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        await asyncio.sleep(0.02)\n"
        "        assert await ws.request('a') == 'a1', 'what came before is no answer'\n"
        "        assert await ws.request('b', answer=lambda message: message == 'b1') == 'b1'\n"
        "        assert [message async for message in ws] == ['early', 'late']\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange, behind=frame(TEXT, b"early"))
        for answers in (("a1",), ("other", "b1", "late")):
            await read_frame(exchange)
            await exchange.send(*(frame(TEXT, answer.encode()) for answer in answers))
        await exchange.send(frame(CLOSE, struct.pack("!H", 1000)))
        assert await read_frame(exchange) == (CLOSE, struct.pack("!H", 1000))
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {}
    assert endpoints(outcome) == {CONNECT: (1, 0), ROUND_TRIP: (2, 0)}
    assert groups(outcome) == {"WS /ws/{room} receive": (2, 0), "chat": (1, 0)}


async def test_the_end_cuts_off_who_waits_for_a_message_but_not_for_an_answer(load, script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=user.number) as ws:\n"
        "        await (ws.request('slow') if user.number else ws.receive())\n"
    )
    closes: dict[str, tuple[int, bytes]] = {}

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        got = await read_frame(exchange)
        if got == (TEXT, b"slow"):  # and takes its time to close, too
            await asyncio.sleep(1)
            await exchange.send(frame(TEXT, b"at last"))
            got = await read_frame(exchange)
            await asyncio.sleep(0.2)
        closes[exchange.line] = got
        exchange.close()

    async with serve(handler) as server:
        given = options(server.url, scenario, connections=2, request_limit=None, duration=0.5)
        outcome = await load(given)
        assert (outcome.partial, kinds(outcome)) == (False, {})
        assert outcome.events["cut off by the end"] == 1
        assert endpoints(outcome) == {CONNECT: (2, 0), ROUND_TRIP: (1, 0)}
        async with asyncio.timeout(2):
            while server.open:
                await asyncio.sleep(0.01)
    assert closes["GET /ws/0 HTTP/1.1"] == (CLOSE, struct.pack("!H", 1001))


@pytest.mark.parametrize("moment", ["connect", "round trip", "receive", "close"])
async def test_stopping_leaves_no_socket_and_no_task(script, moment: str) -> None:
    body = {"connect": "pass", "round trip": "await ws.request('?')", "receive": "await ws.receive()", "close": "pass"}
    scenario = script(
        f"async def chat(user):\n    async with user.websocket('/ws/{{room}}', room=1) as ws:\n        {body[moment]}\n"
    )
    stop = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        if moment != "connect":
            await upgrade(exchange)
        asyncio.get_running_loop().call_later(0.05, stop.set)
        await exchange.reader.read()

    async with serve(handler) as server:
        tasks = asyncio.all_tasks()
        outcome = await run(options(server.url, scenario, request_limit=None, duration=60.0), stop=stop)
        assert (outcome.partial, outcome.abandoned) == (True, int(moment in ("connect", "round trip")))
        async with asyncio.timeout(2):
            while server.open:
                await asyncio.sleep(0.01)
        assert {task for task in asyncio.all_tasks() - tasks if "serve_connection" not in repr(task)} == set()


async def test_a_session_left_open_ends_with_its_iteration(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    ws = user.websocket('/ws/{room}', room=1)\n"
        "    await ws.__aenter__()\n"
        "    user.left_behind = asyncio.gather(ws.request('?'), return_exceptions=True)\n"
        "    await asyncio.sleep(0.02)\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        assert await read_frame(exchange) == (TEXT, b"?")
        assert await read_frame(exchange) == (CLOSE, struct.pack("!H", 1001))
        exchange.close()
        closed.append(1)

    closed: list[int] = []
    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, request_limit=2))
        async with asyncio.timeout(2):
            while len(closed) < 2:
                await asyncio.sleep(0.01)
    assert kinds(outcome)["given up"] >= 1


async def test_a_request_given_up_ends_its_session(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        try:\n"
        "            async with asyncio.timeout(0.05):\n"
        "                await ws.request('?')\n"
        "        except TimeoutError:\n"
        "            await user.get('/after')\n"
    )

    async def handler(exchange: Exchange) -> None:
        if exchange.header("upgrade"):
            await upgrade(exchange)
            await exchange.reader.read()
        else:
            await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {"given up": 1}
    assert outcome.results.error_kinds[0].example.startswith(f"{ROUND_TRIP}: the scenario waited 0.0")
    assert outcome.summary.requests == 3


async def test_in_flight_are_answers_that_are_waited_for(script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        await (ws.request('?') if user.number else ws.receive())\n"
    )
    seen: list[Progress] = []

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        await exchange.reader.read()

    async with serve(handler) as server:
        given = options(server.url, scenario, connections=3, request_limit=None, duration=0.8, timeout=1.0)
        await run(given, on_progress=seen.append)
    assert seen[1].in_flight == 2
    assert seen[1].connections == 6, "each has the connection of its requests too"
    assert seen[1].backlog == 0


IN_A_TASK = f"import asyncio\nasync def _ask(user):\n{ASK.split(':', 1)[1][1:]}async def chat(user):\n"
"""What begins a scenario that chats in a task of its own."""


@pytest.mark.parametrize(
    "text",
    [
        ASK,
        f"{IN_A_TASK}    await asyncio.gather(_ask(user))\n",
        f"{IN_A_TASK}    await asyncio.wait_for(_ask(user), 9)\n",
    ],
)
async def test_the_open_model_counts_from_when_the_session_was_due(load, script, text: str) -> None:
    async def handler(exchange: Exchange) -> None:
        if len(server.exchanges) == 1:
            await asyncio.sleep(0.3)
        await upgrade(exchange)
        assert (await read_frame(exchange))[0] == TEXT
        await exchange.send(frame(TEXT, b"!"))
        await read_frame(exchange)
        exchange.close()

    async with serve(handler) as server:
        given = options(server.url, script(text), rate=20.0, request_limit=4, keep_samples=True)
        samples = (await load(given)).samples
    connects = samples.request_index == samples.request_index[0]
    due = samples.due[connects] - samples.due.min()
    assert due.round(4).tolist() == [0.0, 0.05, 0.1, 0.15]
    assert (samples.done - samples.due)[connects][1] > 0.2, "it waited in a queue"
    assert (samples.done - samples.due)[~connects].max() < 0.2


async def test_requests_go_on_while_a_message_is_awaited(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        message, response = await asyncio.gather(ws.receive(), user.get('/say'))\n"
        "        assert (message, response.text) == ('said', 'ok')\n"
    )
    said = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        if exchange.header("upgrade") is None:
            await answer_ok(exchange)
            said.set()
        else:
            await upgrade(exchange)
            await said.wait()
            await exchange.send(frame(TEXT, b"said"))
            await read_frame(exchange)
            exchange.close()

    async with serve(handler) as server:
        assert kinds(await load(options(server.url, scenario))) == {}


@pytest.mark.parametrize("where", ["chat", "setup"])
async def test_without_its_library_the_run_ends_with_the_extras_name(
    script, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setitem(sys.modules, "perfloop.loadtest.scenario.frames", None)
    scenario = script(ASK.replace("chat", where) + ("async def chat(user): ...\n" if where == "setup" else ""))
    async with serve(answer_ok) as server:
        with pytest.raises(MissingExtra) as caught:
            await load_here(options(server.url, scenario))
    assert caught.value.hint == "pip install 'perfloop[websocket]'"
