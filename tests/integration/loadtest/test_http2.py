"""HTTP/2 against a server that does what each test says, frame by frame, and against nginx."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings
import pytest

from perfloop.exceptions import UnreachableTarget
from perfloop.loadtest import LoadOptions, Request

from .http2_serving import REPLY, Peer, nginx, options, serving
from .serving import answer_ok, load_here, load_in_thread, serve

if TYPE_CHECKING:
    from pathlib import Path

FEW: dict[str, Any] = {"request_limit": 300, "duration": None}


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


async def test_requests_share_a_connection_and_are_told_apart(load) -> None:
    async with serving(lambda peer, stream, _headers, _body: peer.answer(stream)) as server:
        outcome = await load(options(server, headers=(("X-Team", "blue"), ("Connection", "keep-alive"))))
    assert outcome.summary.requests == 20 == len(server.seen)
    assert outcome.summary.errors == 0
    assert outcome.results.statuses == {"200": 20}
    assert len(server.peers) == 1
    assert 1 < server.most <= 4
    headers = server.seen[0][0]
    assert headers[":method"] == "GET"
    assert headers[":path"] == "/items?page=1"
    assert headers[":scheme"] == "http"
    assert headers[":authority"].startswith("127.0.0.1:")
    assert headers["x-team"] == "blue"
    assert not {"connection", "host"} & headers.keys()


async def test_the_open_model_weights_and_bodies(load) -> None:
    async with serving(lambda peer, stream, _headers, _body: peer.answer(stream)) as server:
        requests = (
            Request(target="/a", weight=3),
            Request(method="POST", target="/b", body=b"x" * 100_000),
        )
        outcome = await load(options(server, requests=requests, rate=200, connections=2))
    assert outcome.summary.errors == 0
    paths = [headers[":path"] for headers, _ in server.seen]
    assert (paths.count("/a"), paths.count("/b")) == (15, 5)
    assert {len(body) for headers, body in server.seen if headers[":path"] == "/b"} == {100_000}


async def test_a_body_waits_for_a_small_window(load) -> None:
    settings = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10}
    async with serving(lambda peer, stream, _headers, _body: peer.answer(stream), settings) as server:
        outcome = await load(options(server, method="POST", body=b"0123456789" * 10, request_limit=3))
    assert outcome.summary.errors == 0
    assert [body for _, body in server.seen] == [b"0123456789" * 10] * 3


@pytest.mark.parametrize("reset", [False, True], ids=["", "reset behind it"])
async def test_an_answer_before_the_end_of_the_body(load, reset: bool) -> None:
    def refusing(peer: Peer, stream: int, headers: dict[str, str]) -> None:
        posted = headers[":method"] == "POST"
        peer.h2.send_headers(stream, [(":status", "413" if posted else "200")], end_stream=True)
        if posted and reset:
            peer.h2.reset_stream(stream, h2.errors.ErrorCodes.NO_ERROR)
        peer.h2.increment_flow_control_window(1000)

    small = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE, h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
    async with serving(refusing, dict(zip(small, (10, 4), strict=True))) as server:
        server.early = refusing
        requests = (Request(method="POST", target="/b", body=b"x" * 5000), Request(target="/a"))
        outcome = await load(options(server, requests=requests))
    assert outcome.results.statuses == {"200": 10, "413": 10}
    assert [kind.kind for kind in outcome.results.error_kinds] == ["status 413"]
    assert len(server.peers) == 1


async def test_no_more_streams_than_the_server_allows(load) -> None:
    def later(peer: Peer, stream: int, _headers, _body) -> None:
        asyncio.get_running_loop().call_later(0.005, peer.answer, stream)

    settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 2}
    async with serving(later, settings) as server:
        outcome = await load(options(server, streams=8))
    assert outcome.summary.errors == 0
    assert server.most <= 2


async def test_a_server_may_allow_fewer_in_mid_run(load) -> None:
    def lowering(peer: Peer, stream: int, _headers, _body) -> None:
        if peer.position == 5:
            peer.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        peer.answer(stream)

    async with serving(lowering) as server:
        outcome = await load(options(server, request_limit=30))
    assert (outcome.summary.requests, outcome.summary.errors) == (30, 0)


async def test_interim_responses_and_trailers(load) -> None:
    def wordy(peer: Peer, stream: int, _headers, _body) -> None:
        peer.h2.send_headers(stream, [(":status", "103"), ("link", "</a.css>")])
        peer.h2.send_headers(stream, REPLY)
        peer.h2.send_data(stream, b"part")
        peer.h2.send_headers(stream, [("checksum", "1")], end_stream=True)

    async with serving(wordy) as server:
        outcome = await load(options(server))
    assert outcome.results.statuses == {"200": 20}


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
async def test_answers_without_a_body(load, method: str, status: str) -> None:
    def bare(peer: Peer, stream: int, _headers, _body) -> None:
        peer.h2.send_headers(stream, [(":status", status), ("etag", "1")], end_stream=True)

    async with serving(bare) as server:
        outcome = await load(options(server, method=method))
    assert outcome.results.statuses == {status: 20}


async def test_a_body_in_single_bytes(load) -> None:
    def slowly(peer: Peer, stream: int, _headers, _body) -> None:
        peer.h2.send_headers(stream, REPLY)
        for _ in range(50):
            peer.h2.send_data(stream, b"x")
            peer.flush()
        peer.h2.end_stream(stream)

    async with serving(slowly) as server:
        outcome = await load(options(server))
    assert (outcome.summary.requests, outcome.summary.errors) == (20, 0)


async def test_a_stream_that_is_reset_fails_alone(load) -> None:
    def moody(peer: Peer, stream: int, _headers, _body) -> None:
        if peer.position == 3:
            peer.h2.send_headers(stream, REPLY)
            peer.h2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        else:
            peer.answer(stream)

    async with serving(moody) as server:
        outcome = await load(options(server))
    assert [(kind.kind, kind.count) for kind in outcome.results.error_kinds] == [("stream reset", 1)]
    assert "INTERNAL_ERROR" in outcome.results.error_kinds[0].example
    assert outcome.summary.requests == 20
    assert len(server.peers) == 1


async def test_a_refused_stream_is_sent_once_more(load) -> None:
    def refusing(peer: Peer, stream: int, _headers, _body) -> None:
        if peer.position == 3:
            peer.h2.reset_stream(stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        else:
            peer.answer(stream)

    async with serving(refusing) as server:
        outcome = await load(options(server))
    assert (outcome.summary.requests, outcome.summary.errors) == (20, 0)
    assert outcome.events["retried"] == 1


async def test_a_server_that_goes_away_is_reached_again(load) -> None:
    def leaving(peer: Peer, stream: int, _headers, _body) -> None:
        peer.answer(stream)
        if peer.position == 6:
            peer.h2.close_connection()

    async with serving(leaving) as server:
        outcome = await load(options(server, request_limit=30))
    assert outcome.summary.requests == 30
    assert outcome.summary.errors == 0, outcome.results.error_kinds
    assert outcome.events["reconnected"] == len(server.peers) - 1 > 0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_a_leaving_server_took_is_answered_and_counted_once(load, tmp_path: Path, method: str) -> None:
    with nginx(tmp_path, "keepalive_requests 50;") as url:
        outcome = await load(LoadOptions(url=url, http2=True, connections=2, method=method, **FEW))
    assert outcome.results.statuses == {"200": 300}, outcome.results.error_kinds
    assert (tmp_path / "access.log").read_text().splitlines() == ["HTTP/2.0 200"] * 300


async def test_a_connection_that_is_cut_off(load) -> None:
    def cutting(peer: Peer, stream: int, _headers, _body) -> None:
        if len(peer.server.peers) == 1 and peer.position == 2:
            peer.h2.send_headers(stream, REPLY)
            peer.flush()
            asyncio.get_running_loop().call_later(0.01, peer.transport.abort)
        else:
            peer.answer(stream)

    async with serving(cutting) as server:
        outcome = await load(options(server, streams=1))
    assert outcome.summary.requests == 20
    assert outcome.summary.errors == 1
    assert outcome.results.error_kinds[0].kind in ("closed in body", "connection reset")


async def test_garbage_in_mid_run(load) -> None:
    def mad(peer: Peer, stream: int, _headers, _body) -> None:
        if len(peer.server.peers) == 1 and peer.position == 2:
            peer.transport.write(b"\xff" * 100)
        else:
            peer.answer(stream)

    async with serving(mad) as server:
        outcome = await load(options(server, streams=1))
    assert [(kind.kind, kind.count) for kind in outcome.results.error_kinds] == [("invalid response", 1)]
    assert "a frame of 16777215 bytes" in outcome.results.error_kinds[0].example
    assert outcome.summary.requests == 20
    assert len(server.peers) == 2


async def test_a_frame_that_is_wrong(load) -> None:
    def wrong(peer: Peer, stream: int, _headers, _body) -> None:
        if len(peer.server.peers) == 1 and peer.position == 2:
            peer.transport.write(b"\0\0\x01\x04\0\0\0\0\0x")  # SETTINGS of one byte
        else:
            peer.answer(stream)

    async with serving(wrong) as server:
        outcome = await load(options(server, streams=1, method="POST"))
    assert [(kind.kind, kind.count) for kind in outcome.results.error_kinds] == [("invalid response", 1)]
    assert outcome.summary.requests == 20


async def test_a_request_that_is_never_answered_times_out_alone(load) -> None:
    def forgetful(peer: Peer, stream: int, _headers, _body) -> None:
        if peer.position != 3:
            peer.answer(stream)

    async with serving(forgetful) as server:
        outcome = await load(options(server, timeout=0.5))
        for _ in range(100):
            if server.resets:
                break
            await asyncio.sleep(0.01)
    assert [(kind.kind, kind.count) for kind in outcome.results.error_kinds] == [("timeout", 1)]
    assert server.resets == [h2.errors.ErrorCodes.CANCEL]
    assert outcome.summary.requests == 20
    assert len(server.peers) == 1


async def test_a_server_of_http_1_is_named(load) -> None:
    async with serve(answer_ok) as server:
        with pytest.raises(UnreachableTarget, match="no HTTP/2") as caught:
            await load(LoadOptions(url=server.url, http2=True, request_limit=3, duration=None))
    assert "leave out --http2" in (caught.value.hint or "")


async def test_a_server_that_says_nothing_is_a_timeout(load) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        with pytest.raises(UnreachableTarget, match="connect timeout"):
            await load(LoadOptions(url=url, http2=True, request_limit=3, duration=None, timeout=0.2))


@pytest.mark.parametrize("chosen", [["h2"], ["http/1.1"], []])
async def test_tls_chooses(load, certificate: Path, chosen: list[str]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    if chosen:
        tls.set_alpn_protocols(chosen)
    async with serving(lambda peer, stream, _headers, _body: peer.answer(stream), tls=tls) as server:
        if chosen == ["h2"]:
            outcome = await load(options(server, insecure=True))
            assert outcome.results.statuses == {"200": 20}
            assert server.seen[0][0][":scheme"] == "https"
        else:
            with pytest.raises(UnreachableTarget, match="did not choose HTTP/2 in the TLS handshake") as caught:
                await load(options(server, insecure=True))
            assert "leave out --http2" in (caught.value.hint or "")


async def test_nginx_counts_the_same(load, tmp_path: Path) -> None:
    with nginx(tmp_path) as url:
        outcome = await load(LoadOptions(url=url, http2=True, connections=2, **FEW))
    assert outcome.results.statuses == {"200": 300}
    log = (tmp_path / "access.log").read_text().splitlines()
    assert log == ["HTTP/2.0 200"] * 300
