"""HTTP/1.1 as servers really speak it: each framing, each way to end badly, on both event loops."""

from __future__ import annotations

import asyncio

import pytest

from perfloop.loadtest import LoadOptions, Request

from .serving import OK, answer_ok, kinds, serve

REQUESTS = 6

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n"
TRAILERS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n3\r\nabc\r\n0\r\nDigest: x\r\nMore: y\r\n\r\n"

# ruff: noqa: E501  # tables of responses

# name, the parts of the response, status, connections the server sees for six requests over one
WHOLE = [
    ("content-length", [OK], 200, 1),
    ("chunked", [CHUNKED], 200, 1),
    ("trailers", [TRAILERS], 200, 1),
    ("chunks apart", [CHUNKED[:60], CHUNKED[60:70], CHUNKED[70:]], 200, 1),
    ("headers, then body", [OK[:-2], OK[-2:]], 200, 1),
    ("204", [b"HTTP/1.1 204 No Content\r\n\r\n"], 204, 1),
    ("204 with the Content-Length it must not have", [b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"], 204, 1),
    ("304 with the length of what is not sent", [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n"], 304, 1),
    ("304 chunked", [b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"], 304, 1),
    ("100 first", [b"HTTP/1.1 100 Continue\r\n\r\n" + OK], 200, 1),
    ("100 on its own, then the answer", [b"HTTP/1.1 100 Continue\r\n\r\n", OK], 200, 1),
    ("103 and 102 first", [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n", OK[:9], OK[9:]], 200, 1),
    ("an informational status nobody knows", [b"HTTP/1.1 199 Odd\r\n\r\n" + OK], 200, 1),
    ("HTTP/1.0 that stays", [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"], 200, 1),
    ("empty header values and odd case", [b"HTTP/1.1 200 OK\r\nX-Empty:\r\ncOnTeNt-LeNgTh: 0\r\n\r\n"], 200, 1),
    ("an Upgrade offered, not taken", [b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n"], 200, 1),
]  # fmt: skip

CLOSING = [
    ("Connection: close", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"]),
    ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"]),
    ("body delimited by close", [b"HTTP/1.1 200 OK\r\n\r\n", b"a body ", b"of any length"]),
    ("body delimited by close, in one piece", [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody"]),
    ("HTTP/1.0 body delimited by close", [b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nbody"]),
    ("100, then a body delimited by close", [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody"]),
    ("an encoding other than chunked ends with the connection", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"]),
    ("chunked with close", [CHUNKED.replace(b"\r\n\r\n5", b"\r\nConnection: close\r\n\r\n5")]),
]  # fmt: skip

BROKEN = [
    ("garbage", [b"SSH-2.0-OpenSSH_9.2p1\r\n"], True, "invalid response"),
    ("a bad length", [b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"], True, "invalid response"),
    ("a bad chunk", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], True, "invalid response"),
    ("both length and chunks", [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], True, "invalid response"),
    ("a switch of protocols", [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n??"], False, "unexpected protocol switch"),
    ("a bare 101", [b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], False, "unexpected protocol switch"),
    ("closed in the headers", [b"HTTP/1.1 200 OK\r\nContent-Le"], True, "closed in headers"),
    ("closed after a 100", [b"HTTP/1.1 100 Continue\r\n\r\n"], True, "closed in headers"),
    ("closed in the body", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"], True, "closed in body"),
    ("closed in the chunks", [CHUNKED[:-2]], True, "closed in body"),
    ("closed in the trailers", [TRAILERS[:-8]], True, "closed in body"),
    ("a flood of informational responses", [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000], False, "invalid response"),
    ("endless headers", [b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 300_000], False, "response head too large"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "status", "connections"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE]
)
async def test_a_whole_response_is_an_answer_and_keeps_the_connection(load, parts, status, connections) -> None:
    async def handler(exchange):
        await exchange.send(*parts)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=REQUESTS, duration=20))
        assert outcome.results.statuses == {str(status): REQUESTS}
        assert (outcome.summary.requests, outcome.summary.errors) == (REQUESTS, 0)
        assert outcome.summary.bytes_received == REQUESTS * len(b"".join(parts))
        assert server.connections == connections
        assert len(server.exchanges) == REQUESTS


@pytest.mark.parametrize("parts", [case[1] for case in CLOSING], ids=[case[0] for case in CLOSING])
async def test_a_response_that_ends_the_connection_is_no_error(load, parts) -> None:
    async def handler(exchange):
        await exchange.send(*parts)
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=2, request_limit=REQUESTS, duration=20))
        assert outcome.results.statuses == {"200": REQUESTS}
        assert (outcome.summary.errors, kinds(outcome)) == (0, {})
        assert outcome.summary.bytes_received == REQUESTS * len(b"".join(parts))
        assert len(server.exchanges) == REQUESTS
        assert server.connections >= REQUESTS
        assert "retried" not in outcome.events


@pytest.mark.parametrize(("parts", "close", "kind"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_a_broken_response_is_an_error_of_its_kind(load, parts, close, kind) -> None:
    async def handler(exchange):
        if exchange.position == 0:  # the first on each connection is fine: what is broken is the response
            await exchange.send(OK)
            return
        await exchange.send(*parts)
        if close:
            exchange.close()
        else:
            await asyncio.sleep(30)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=REQUESTS, duration=20))
        assert kinds(outcome) == {kind: REQUESTS // 2}
        assert outcome.results.statuses == {"200": REQUESTS // 2}
        assert (outcome.summary.requests, outcome.summary.errors) == (REQUESTS, REQUESTS // 2)
        [error] = outcome.results.error_kinds
        assert error.example.startswith("GET /: ")
        assert server.connections == REQUESTS // 2 + 1 or server.connections == REQUESTS // 2


@pytest.mark.parametrize(("position", "kind"), [(10, "connection reset"), (45, "connection reset")])
async def test_a_reset_in_mid_response_is_an_error(load, position, kind) -> None:
    async def handler(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789"[:position])
        await asyncio.sleep(0.005)
        exchange.reset()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=3, duration=20))
        assert kinds(outcome) == {kind: 3}


async def test_a_response_split_at_every_byte_reads_the_same(load) -> None:
    response = b"HTTP/1.1 100 Continue\r\n\r\n" + TRAILERS
    positions = iter(range(1, len(response)))

    async def handler(exchange):
        position = next(positions)
        await exchange.send(response[:position], response[position:], pause=0.001)

    async with serve(handler) as server:
        count = len(response) - 1
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=count, duration=60))
        assert outcome.results.statuses == {"200": count}
        assert outcome.summary.errors == 0
        assert server.connections == 1
        assert outcome.summary.bytes_received == count * len(response)


async def test_a_response_sent_byte_by_byte_reads_the_same(load) -> None:
    async def handler(exchange):
        await exchange.send(*(bytes([byte]) for byte in CHUNKED), pause=0.0005)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=3, request_limit=3, duration=30))
        assert outcome.results.statuses == {"200": 3}
        assert outcome.summary.bytes_received == 3 * len(CHUNKED)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    ],
)
async def test_a_response_to_head_has_no_body_whatever_its_headers_say(load, head) -> None:
    async def handler(exchange):
        if exchange.line.startswith("HEAD"):
            await exchange.send(head[:20], head[20:])
        else:
            await exchange.send(OK)

    status = "304" if b" 304 " in head else "200"
    async with serve(handler) as server:
        mixed = (Request(method="HEAD"), Request(method="GET"))
        outcome = await load(LoadOptions(url=server.url, requests=mixed, connections=1, request_limit=8, duration=20))
        assert sum(outcome.results.statuses.values()) == 8
        assert outcome.results.statuses[status] >= 4
        assert outcome.summary.errors == 0
        assert server.connections == 1
        assert [exchange.line.split()[0] for exchange in server.exchanges] == ["HEAD", "GET"] * 4


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\n",
    ],
)
async def test_a_response_to_head_may_end_the_connection(load, response) -> None:
    async def handler(exchange):
        await exchange.send(response)
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, method="HEAD", connections=1, request_limit=3, duration=20))
        assert outcome.results.statuses == {"200": 3}
        assert outcome.summary.errors == 0
        assert len(server.exchanges) == 3


async def test_a_body_after_a_response_to_head_is_noticed_and_spoils_no_other_answer(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, method="HEAD", connections=1, request_limit=3, duration=20))
        assert outcome.results.statuses == {"200": 3}
        assert outcome.events["unsolicited data"] == 3
        assert len(server.exchanges) == 3


@pytest.mark.parametrize("extra", [OK, OK[:7], b"x"], ids=["a whole response", "a part of one", "a byte"])
async def test_more_than_the_response_is_noticed_and_spoils_no_other_answer(load, extra) -> None:
    async def handler(exchange):
        await exchange.send(OK + extra)
        await asyncio.sleep(5)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=4, duration=20))
        assert outcome.results.statuses == {"200": 4}
        assert outcome.summary.errors == 0
        assert outcome.events["unsolicited data"] == 4
        assert server.connections >= 4


async def test_data_on_an_idle_connection_ends_that_connection(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)
        await asyncio.sleep(0.05)
        exchange.writer.write(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, rate=5, duration=0.5))
        assert outcome.results.statuses == {"200": 3}
        assert outcome.events["unsolicited data"] >= 2
        assert outcome.summary.errors == 0


async def test_a_large_body_is_counted_and_not_kept(load) -> None:
    body = bytes(5_000_000)

    async def handler(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", body, pause=0)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=2, request_limit=4, duration=30))
        assert outcome.results.statuses == {"200": 4}
        assert outcome.summary.bytes_received == 4 * (len(body) + 44)


async def test_a_request_body_larger_than_the_socket_takes_arrives_whole(load) -> None:
    body = bytes(range(256)) * 20_000  # 5 MB

    async with serve(answer_ok) as server:
        options = LoadOptions(url=server.url, method="POST", body=body, connections=2, request_limit=4, duration=30)
        outcome = await load(options)
        assert outcome.results.statuses == {"200": 4}
        assert [exchange.body == body for exchange in server.exchanges] == [True] * 4


async def test_what_is_sent(load) -> None:
    async with serve(answer_ok) as server:
        options = LoadOptions(
            url=f"{server.url}orders?page=1",
            method="PUT",
            headers=(("X-Key", "value"), ("Content-Type", "text/plain")),
            body=b"hello",
            connections=1,
            request_limit=1,
        )
        await load(options)
        [exchange] = server.exchanges
    assert exchange.line == "PUT /orders?page=1 HTTP/1.1"
    assert exchange.header("host") == server.url.split("/")[2]
    assert exchange.header("content-length") == "5"
    assert exchange.header("x-key") == "value"
    assert exchange.body == b"hello"
    assert exchange.header("traceparent") is None


async def test_a_trace_numbers_the_requests(load) -> None:
    async with serve(answer_ok) as server:
        options = LoadOptions(
            url=server.url, method="POST", body=b"x", connections=1, request_limit=20, trace=True, keep_samples=True
        )
        outcome = await load(options)
    parents = [exchange.header("traceparent") for exchange in server.exchanges]
    assert len({parent[:36] for parent in parents}) == 1
    assert [parent[36:] for parent in parents] == [f"{number:016x}-01" for number in range(1, 21)]
    assert outcome.samples.number.tolist() == list(range(1, 21))
    assert all(exchange.body == b"x" for exchange in server.exchanges)


async def test_weighted_requests_are_interleaved(load) -> None:
    async with serve(answer_ok) as server:
        requests = (Request(target="/a", weight=3), Request(target="/b"), Request(target="/c", method="DELETE"))
        outcome = await load(
            LoadOptions(url=server.url, requests=requests, connections=1, request_limit=10, keep_samples=True)
        )
        lines = [exchange.line.split()[1] for exchange in server.exchanges]
    assert "".join(lines).replace("/", "") == "abacaabaca"
    assert outcome.samples.request_index.tolist() == ["abc".index(line[1]) for line in lines]


async def test_statuses_from_400_are_errors_unless_expected(load) -> None:
    async def handler(exchange):
        status = b"404 Not Found" if b"missing" in exchange.head else b"200 OK"
        await exchange.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    requests = (Request(target="/"), Request(target="/missing"))
    async with serve(handler) as server:
        options = {"url": server.url, "requests": requests, "connections": 1, "request_limit": 10}
        usual = await load(LoadOptions(**options))
        expected = await load(LoadOptions(**options, expect_status=frozenset({404})))
    assert kinds(usual) == {"status 404": 5}
    assert usual.results.error_kinds[0].example == "GET /missing was answered with 404"
    assert usual.summary.errors == 5
    assert kinds(expected) == {"status 200": 5}
    assert expected.summary.errors == 5
    assert usual.latency.count == usual.summary.requests
