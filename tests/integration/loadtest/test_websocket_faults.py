"""WebSocket sessions of users against servers that refuse, break the rules, or hang."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import pytest

from .serving import OK, Exchange, kinds, load_here, serve
from .sessions import (
    ASK,
    BINARY,
    CLOSE,
    CONNECT,
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
    from collections.abc import Awaitable, Callable

OF_CONNECT, OF_ROUND_TRIP = f"{CONNECT}: ", f"{ROUND_TRIP}: "


def answered(data: bytes, *, close: bool = False) -> Callable[[Exchange], Awaitable[None]]:
    """Upgrade, and answer the first message with these bytes."""

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        await read_frame(exchange)
        await exchange.send(data)
        if close:
            exchange.close()
        else:
            await exchange.reader.read()

    return handler


def sent(data: bytes) -> Callable[[Exchange], Awaitable[None]]:
    """Answer the request with these bytes, and close."""

    async def handler(exchange: Exchange) -> None:
        await exchange.send(data)
        exchange.close()

    return handler


def upgraded(*lines: str) -> Callable[[Exchange], Awaitable[None]]:
    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange, *lines)
        await exchange.reader.read()

    return handler


async def reset_at_once(exchange: Exchange) -> None:
    exchange.reset()


async def reset_later(exchange: Exchange) -> None:
    await upgrade(exchange)
    await read_frame(exchange)
    exchange.reset()


async def keep_silent(exchange: Exchange) -> None:
    await exchange.reader.read()


@pytest.mark.parametrize(
    ("handler", "kind", "example"),
    [
        (sent(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), "status 403", f"{CONNECT} was answered with 403"),
        (sent(OK), "not upgraded", f"{OF_CONNECT}answered with 200"),
        (sent(b"SSH-2.0\r\n"), "invalid response", f"{OF_CONNECT}it does not begin with HTTP/1"),
        (
            sent(b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            "invalid response",
            f"{OF_CONNECT}answered with 101, but expected the Sec-WebSocket-Accept of its key",
        ),
        (
            upgraded("Sec-WebSocket-Extensions: permessage-deflate"),
            "invalid response",
            f"{OF_CONNECT}answered with 101, but expected no Sec-WebSocket-Extensions: none was offered",
        ),
        (
            upgraded("Sec-WebSocket-Protocol: x"),
            "invalid response",
            f"{OF_CONNECT}answered with 101, but expected a Sec-WebSocket-Protocol that was offered",
        ),
        (sent(b""), "closed before response", f"{OF_CONNECT}the connection ended before a byte of the response"),
        (
            sent(b"HTTP/1.1 101"),
            "closed in headers",
            f"{OF_CONNECT}the connection ended after 12 bytes of the response",
        ),
        (reset_at_once, "connection reset", f"{OF_CONNECT}the connection ended before a byte of the response: "),
        (keep_silent, "timeout", f"{OF_CONNECT}nothing came within 0.5 s"),
        (answered(b""), "timeout", f"{OF_ROUND_TRIP}nothing came within 0.5 s"),
        (answered(frame(TEXT, b"a" * 9)[:5]), "timeout", f"{OF_ROUND_TRIP}nothing came within 0.5 s"),
        (
            answered(frame(CLOSE, struct.pack("!H", 1011) + b"oops")),
            "closed with 1011",
            f"{OF_ROUND_TRIP}the server closed with 1011: oops",
        ),
        (answered(frame(CLOSE)), "closed with 1005", f"{OF_ROUND_TRIP}the server closed without a code"),
        (
            answered(b"", close=True),
            "closed before response",
            f"{OF_ROUND_TRIP}the connection ended without a close frame",
        ),
        (reset_later, "connection reset", f"{OF_ROUND_TRIP}the connection ended without a close frame: "),
        (answered(frame(3)), "protocol error", f"{OF_ROUND_TRIP}Invalid opcode 0x3"),
        (answered(frame(TEXT, b"\xff")), "invalid UTF-8", f"{OF_ROUND_TRIP}'utf-8' codec can't decode byte 0xff"),
        (
            answered(frame(BINARY, bytes(9 << 20))),
            "message too large",
            f"{OF_ROUND_TRIP}more than 8388608 bytes",
        ),
    ],
)
async def test_each_way_to_fail_is_one_error_with_its_kind(load, script, handler, kind: str, example: str) -> None:
    async with serve(handler) as server:
        outcome = await load(
            options(server.url, script(ASK), connections=3, request_limit=3, timeout=0.5 if kind == "timeout" else 20.0)
        )
    (found,) = outcome.results.error_kinds
    assert (found.kind, found.count) == (kind, 3)
    assert found.example.startswith(example)
    assert outcome.summary.errors == 3
    connects = 3 if "round trip" in example else 0
    assert outcome.summary.requests == 3 + connects
    assert groups(outcome) == {"chat": (0, 3)}
    assert outcome.latency.count == connects + (3 if kind in ("timeout", "status 403", "not upgraded") else 0)


async def test_nobody_there_is_an_error_each(load, script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    if user.requests == 0:\n"
        "        await user.get('/go')\n"
        "    else:\n"
        "        async with user.websocket('/ws/{room}', room=1) as ws: ...\n"
    )

    async def handler(exchange: Exchange) -> None:
        await exchange.send(OK)
        stopped.set()

    stopped = asyncio.Event()
    async with serve(handler) as server:
        running = asyncio.ensure_future(load(options(server.url, scenario, request_limit=3)))
        await stopped.wait()
    outcome = await running
    found = {kind.kind: (kind.count, kind.example) for kind in outcome.results.error_kinds}
    assert found["connection refused"][0] >= 1
    assert found["connection refused"][1].startswith(f"{CONNECT}: cannot connect: ")
    assert outcome.summary.requests == 3


async def test_what_statuses_are_expected_is_up_to_the_user(script) -> None:
    async with serve(sent(b"HTTP/1.1 403 No\r\n\r\n")) as server:
        outcome = await load_here(options(server.url, script(ASK), expect_status=frozenset({403})))
        assert (kinds(outcome), outcome.summary.errors) == ({}, 0)
        outcome = await load_here(options(server.url, script(ASK), expect_status=frozenset({200})))
        assert (kinds(outcome), outcome.summary.errors) == ({"status 403": 1}, 1)
    async with serve(answered(frame(TEXT, b"!") + frame(CLOSE))) as server:
        outcome = await load_here(options(server.url, script(ASK), expect_status=frozenset({200})))
        assert (kinds(outcome), outcome.summary.requests) == ({}, 2), "who asked for 101 expects it"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("await ws.receive()", {"closed with 1011": 1}),
        ("[message async for message in ws]", {"closed with 1011": 1}),
        ("await asyncio.sleep(0.1)", {"closed with 1011": 1}),
        ("await asyncio.sleep(0.1); await ws.send('x')", {"closed with 1011": 1}),
        (
            "\n            for call in (ws.receive, ws.receive, lambda: ws.send(''), lambda: ws.request('')):\n"
            "                try:\n"
            "                    await call()\n"
            "                except RequestFailed as error:\n"
            "                    assert error.kind == 'closed with 1011'\n",
            {"closed with 1011": 1},
        ),
        ("pass\n    await ws.receive()", {"InvalidValue": 1}),
        ("await ws.close(2000)", {"InvalidValue": 1}),
        ("\n            async with ws: pass", {"InvalidValue": 1}),
        ("await asyncio.gather(ws.receive(), ws.receive())", {"InvalidValue": 1}),
        ("1 / 0", {"ZeroDivisionError": 1}),
        ("await ws.send({'a': 1})", {"InvalidValue": 1}),
        ("await ws.request(None)", {"InvalidValue": 1}),
        ("await asyncio.gather(_listen(ws), ws.close())", {}),
    ],
)
async def test_what_goes_wrong_outside_of_requests_is_counted_once(script, body: str, found: dict[str, int]) -> None:
    scenario = script(
        "import asyncio\n"
        "from perfloop.loadtest import RequestFailed\n"
        "async def _listen(ws):\n"
        "    async for message in ws: pass\n"
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        f"        if True: {body}\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        await asyncio.sleep(0.02)
        await exchange.send(frame(CLOSE, struct.pack("!H", 1011)))
        await read_frame(exchange)
        exchange.close()

    async with serve(handler) as server:
        outcome = await load_here(options(server.url, scenario))
    assert kinds(outcome) == found
    assert (outcome.summary.requests, outcome.summary.errors) == (1, len(found))
    assert found or groups(outcome)["chat"] == (1, 0)


async def test_nothing_is_read_behind_what_the_user_leaves_unread(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        await asyncio.sleep(0.3)\n"
        "        for _ in range(100):\n"
        "            await ws.receive()\n"
    )
    sent_before_it_was_read = 0

    async def handler(exchange: Exchange) -> None:
        nonlocal sent_before_it_was_read
        await upgrade(exchange)
        loop = asyncio.get_running_loop()
        read_from = loop.time() + 0.2
        for _ in range(1000):
            await exchange.send(frame(BINARY, bytes(1 << 20)))
            sent_before_it_was_read += loop.time() < read_from

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {}
    assert 0 < sent_before_it_was_read < 50
    assert groups(outcome)["WS /ws/{room} receive"] == (100, 0)


async def test_an_answer_that_the_scenario_cannot_read_is_a_request_all_the_same(script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        await ws.request('?', answer=lambda message: message['id'] == 1)\n"
    )
    async with serve(answered(frame(TEXT, b"!"))) as server:
        outcome = await load_here(options(server.url, scenario, timeout=0.5))
    assert kinds(outcome) == {"TypeError": 1}
    assert endpoints(outcome) == {CONNECT: (1, 0), ROUND_TRIP: (1, 1)}


async def test_what_is_never_received_is_not_kept_for_ever(load, script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        for number in range(300):\n"
        "            await ws.request(str(number), answer=lambda message: message == str(number))\n"
        "        oldest = len(await ws.receive()) - 10_000\n"
        "        user.check(150 < oldest < 200, 'the latest MiB')\n"
        "        for number in range(oldest + 1, 300):\n"
        "            user.check(await ws.receive() == bytes(10_000 + number), f'{number}')\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        for number in range(300):
            await exchange.send(frame(*await read_frame(exchange)) + frame(BINARY, bytes(10_000 + number)))
        await exchange.reader.read()

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, timeout=20.0))
    assert set(kinds(outcome)) == set()
    assert 150 < outcome.events["unread messages dropped"] < 200


async def test_a_server_that_takes_nothing(load, script) -> None:
    scenario = script(
        "async def chat(user):\n"
        "    async with user.websocket('/ws/{room}', room=1) as ws:\n"
        "        for _ in range(1000):\n"
        "            await ws.send(bytes(1 << 20))\n"
    )

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        exchange.writer.transport.pause_reading()
        await asyncio.sleep(30)

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, timeout=0.5))
    assert kinds(outcome) == {"timeout": 1}
    assert outcome.results.error_kinds[0].example == f"{CONNECT}: the server took nothing for 0.5 s"


async def test_a_close_that_is_not_answered_is_told(script) -> None:
    scenario = script("async def chat(user):\n    async with user.websocket('/ws/{room}', room=1): ...\n")

    async def hang_up(exchange: Exchange) -> None:
        await upgrade(exchange)
        await read_frame(exchange)
        exchange.close()

    async with serve(hang_up) as server:
        outcome = await load_here(options(server.url, scenario, timeout=0.5))
    assert (kinds(outcome), outcome.events.get("close not answered")) == ({}, None)

    async def handler(exchange: Exchange) -> None:
        await upgrade(exchange)
        await asyncio.sleep(30)

    async with serve(handler) as server:
        outcome = await load_here(options(server.url, scenario, timeout=0.5))
    assert (kinds(outcome), outcome.events.get("close not answered")) == ({}, 1)
