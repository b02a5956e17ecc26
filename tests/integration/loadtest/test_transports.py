"""TLS, unix sockets and IPv6."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl

import pytest

from perfloop.exceptions import UnreachableTarget
from perfloop.loadtest import LoadOptions

from .serving import OK, answer_ok, serve


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.seen = []
    context.sni_callback = lambda _socket, name, _context: context.seen.append(name)
    return context


async def test_an_unverifiable_certificate_is_refused_and_the_hint_names_the_way_out(load, tls) -> None:
    async with serve(answer_ok, tls=tls) as server:
        with pytest.raises(UnreachableTarget) as caught:
            await load(LoadOptions(url=server.url, connections=2))
        assert "certificate" in str(caught.value).lower()
        assert "--insecure" in caught.value.hint
        assert server.exchanges == []


async def test_tls_to_a_server_that_speaks_none_is_told_so(load) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(UnreachableTarget) as caught:
            await load(LoadOptions(url=f"https://{address}/orders", connections=1))
        assert caught.value.hint == f"it does not speak TLS: use http://{address}/orders"


async def test_insecure_does_not_verify(load, tls) -> None:
    async with serve(answer_ok, tls=tls) as server:
        outcome = await load(LoadOptions(url=server.url, connections=2, request_limit=20, insecure=True))
        assert outcome.results.statuses == {"200": 20}
        assert len(server.exchanges) == 20
        assert server.connections == 2
        # What TLS adds is not counted: these are the bytes of the responses.
        assert outcome.summary.bytes_received == 20 * len(OK)


async def test_a_certificate_of_a_known_authority_verifies_and_the_name_is_sent(
    load, tls, certificate, monkeypatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with serve(answer_ok, tls=tls) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        outcome = await load(LoadOptions(url=url, connections=1, request_limit=5))
        assert outcome.results.statuses == {"200": 5}
        assert "localhost" in tls.seen


async def test_a_body_delimited_by_the_end_of_a_tls_connection(load, tls) -> None:
    async def handler(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\n\r\n", b"body")
        exchange.close()

    async with serve(handler, tls=tls) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=3, insecure=True))
        assert outcome.results.statuses == {"200": 3}
        assert outcome.summary.errors == 0


async def test_plain_http_spoken_to_a_tls_port_says_so(load, tls) -> None:
    async with serve(answer_ok, tls=tls) as server:
        outcome = await load(
            LoadOptions(url=server.url.replace("https", "http"), connections=1, request_limit=2, timeout=2)
        )
        assert outcome.summary.errors == 2
        assert {kind.kind for kind in outcome.results.error_kinds} <= {
            "closed before response",
            "invalid response",
            "connection reset",
        }


async def test_the_handshake_is_a_phase(load, tls) -> None:
    async with serve(answer_ok, tls=tls) as server:
        outcome = await load(LoadOptions(url=server.url, connections=2, request_limit=10, insecure=True))
    counts = {phase.name: phase.count for phase in outcome.results.phases}
    assert counts == {"dns": 1, "connect": 2, "tls": 2, "first_byte": 10, "body": 10}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("resume", [False, True])
async def test_sessions_are_resumed_on_request(load, tls, version: ssl.TLSVersion, resume: bool) -> None:
    tls.minimum_version = tls.maximum_version = version
    resumed = []

    async def handler(exchange):
        resumed.append(exchange.writer.get_extra_info("ssl_object").session_reused)
        await exchange.send(OK)

    async with serve(handler, tls=tls) as server:
        options = LoadOptions(
            url=server.url, insecure=True, keep_alive=False, tls_resume=resume, connections=1, request_limit=6
        )
        outcome = await load(options)
    assert outcome.results.statuses == {"200": 6}
    assert sum(resumed) == outcome.events.get("TLS session resumed", 0) == (5 if resume else 0)


async def test_a_unix_socket(load, tmp_path) -> None:
    async with serve(answer_ok, unix_path=f"{tmp_path}/app.sock") as server:
        outcome = await load(LoadOptions(url=f"{server.url}orders?page=2", connections=3, request_limit=30))
        assert outcome.results.statuses == {"200": 30}
        assert server.exchanges[0].line == "GET /orders?page=2 HTTP/1.1"
        assert server.exchanges[0].header("host") == "localhost"


async def test_ipv6(load) -> None:
    async with serve(answer_ok, host="::1") as server:
        assert ipaddress.ip_address(server.url.split("[")[1].split("]")[0]).version == 6
        outcome = await load(LoadOptions(url=server.url, connections=2, request_limit=10))
        assert outcome.results.statuses == {"200": 10}
        assert server.exchanges[0].header("host") == server.url.split("/")[2]


async def test_a_name_with_several_addresses_uses_the_one_that_answers(load) -> None:
    async with serve(answer_ok) as server:
        url = server.url.replace("127.0.0.1", "localhost")  # ::1 may come first; nothing listens there
        outcome = await load(LoadOptions(url=url, connections=2, request_limit=10))
        assert outcome.results.statuses == {"200": 10}
