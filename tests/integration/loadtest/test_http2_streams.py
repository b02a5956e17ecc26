"""How many streams a server allows: what has to wait is counted as waiting, and limits hold from when they come."""

from __future__ import annotations

import asyncio
from typing import Any

import h2.settings
import pytest

from .http2_serving import Peer, options, serving
from .serving import kinds, load_here, load_in_thread

MAX_STREAMS = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
SERVICE = 0.05


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


def later(peer: Peer, stream: int, _headers: Any, _body: bytes) -> None:
    asyncio.get_running_loop().call_later(SERVICE, peer.answer, stream)


@pytest.mark.parametrize("rate", [None, 1000], ids=["closed", "open"])
async def test_waiting_for_a_stream_is_queueing(load, rate: float | None) -> None:
    """Not send lag, which is the generator's own, nor service time."""
    async with serving(later, {MAX_STREAMS: 2}) as server:
        outcome = await load(options(server, streams=8, rate=rate, request_limit=40, keep_samples=True))
    assert (outcome.summary.requests, outcome.summary.errors) == (40, 0)
    assert server.most == 2
    samples = outcome.samples
    queued, served = samples.free - samples.due, samples.done - samples.written
    # Two at a time: of each eight, six wait for those before them.
    assert sorted(queued)[20] > SERVICE
    assert sorted(served)[20] < 2 * SERVICE
    assert sorted(samples.written - samples.free)[20] < SERVICE / 4
    assert (samples.free >= samples.due).all()
    assert (samples.written >= samples.free).all()
    assert not any("sent late" in reason for reason in outcome.summary.reasons)


async def test_a_limit_that_falls_and_rises_again(load) -> None:
    def changing(peer: Peer, stream: int, headers: Any, body: bytes) -> None:
        # h2 ends the connection of a client that opens more than a limit it has acknowledged.
        limit = {8: 1, 16: 0, 24: 3}.get(peer.position)
        if limit is not None:
            peer.h2.update_settings({MAX_STREAMS: limit})
        if limit == 0:
            asyncio.get_running_loop().call_later(0.05, raise_again, peer)
        later(peer, stream, headers, body)

    def raise_again(peer: Peer) -> None:
        peer.h2.update_settings({MAX_STREAMS: 2})
        peer.flush()

    async with serving(changing, {MAX_STREAMS: 4}) as server:
        outcome = await load(options(server, streams=6, request_limit=40))
    assert outcome.results.statuses == {"200": 40}, outcome.results.error_kinds
    assert len(server.peers) == 1
    assert server.most == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"request_limit": 8},
        {"request_limit": None, "duration": 0.5},
        {"request_limit": None, "duration": 0.5, "rate": 40},
    ],
    ids=["requests", "closed", "open"],
)
async def test_no_stream_at_all(load, changes: dict[str, Any]) -> None:
    async with serving(later, {MAX_STREAMS: 0}) as server:
        outcome = await load(options(server, timeout=0.5, **changes))
    assert outcome.summary.requests == outcome.summary.errors >= 4
    assert set(kinds(outcome)) == {"never sent"}
    assert "MAX_CONCURRENT_STREAMS is 0" in outcome.results.error_kinds[0].example
    assert server.seen == []
    assert outcome.summary.elapsed_seconds < 30


async def test_a_limit_of_none_until_later(load) -> None:
    async with serving(later, {MAX_STREAMS: 0}) as server:

        def allow() -> None:
            for peer in server.peers:
                peer.h2.update_settings({MAX_STREAMS: 3})
                peer.flush()
            if not server.peers:
                later_on()

        def later_on() -> None:
            asyncio.get_running_loop().call_later(0.1, allow)

        later_on()
        outcome = await load(options(server, request_limit=12))
    assert outcome.results.statuses == {"200": 12}
    assert server.most == 3
