"""Imported requests as a server sees them."""

from __future__ import annotations

import asyncio
import json

import numpy as np

from perfloop.loadtest import LoadOptions, run_sync
from perfloop.loadtest.arrivals import Replay
from perfloop.loadtest.importers import fidelity, import_requests

from .serving import answer_ok, load_here, serve


def log(*lines: tuple[float, str, str]) -> str:
    return "".join(
        json.dumps({"ts": 1_764_000_000 + at, "method": "GET", "uri": target, "client_ip": client}) + "\n"
        for at, target, client in lines
    )


async def test_a_replay_keeps_the_order_and_the_times_of_a_log(tmp_path) -> None:
    random = np.random.default_rng(3)
    times = np.sort(random.uniform(0, 2.0, 100))
    path = tmp_path / "access.log"
    path.write_text(log(*((at, f"/items/{n % 7}?n={n}", f"10.0.0.{n % 3}") for n, at in enumerate(times))))
    async with serve(answer_ok) as server:
        imported = import_requests(path, url=server.url)
        outcome = await load_here(
            LoadOptions(
                url=server.url,
                requests=imported.requests,
                order=imported.order,
                profile=Replay(imported.arrivals, speed=4.0),
                keep_samples=True,
            )
        )
        seen = [exchange.line.split()[1] for exchange in server.exchanges]
    assert outcome.summary.requests == 100
    assert outcome.summary.errors == 0
    assert sorted(seen) == sorted(f"/items/{n % 7}?n={n}" for n in range(100))
    assert outcome.plan.requests == ["100x GET /items/{id}"]
    samples = outcome.samples
    by_number = np.argsort(samples.number)
    assert samples.request_index[by_number].tolist() == imported.order.tolist()
    dues = samples.due[by_number]
    np.testing.assert_allclose(dues - dues[0], (times - times[0]) / 4, atol=1e-6)
    written = samples.written[by_number]
    assert (np.diff(written) >= 0).all(), "in the recorded order, so each session's too"
    sent = np.bincount(samples.request_index, minlength=len(imported.requests))
    found = fidelity(imported, sent, speed=4, planned=samples.due, written=samples.written)
    assert found.mix_distance == 0
    assert found.sent == found.recorded == 100


async def test_the_mix_of_a_log_is_kept_without_its_times(tmp_path) -> None:
    path = tmp_path / "access.log"
    path.write_text(log(*((0.0, "/common" if n % 4 else "/rare", "10.0.0.1") for n in range(40))))
    async with serve(answer_ok) as server:
        imported = import_requests(path, url=server.url)
        outcome = await asyncio.to_thread(
            run_sync, LoadOptions(url=server.url, requests=imported.requests, duration=None, request_limit=80)
        )
        seen = [exchange.line for exchange in server.exchanges]
    assert outcome.summary.errors == 0
    assert seen.count("GET /common HTTP/1.1") == 60
    assert seen.count("GET /rare HTTP/1.1") == 20


async def test_a_curl_command_arrives_as_curl_would_send_it(tmp_path) -> None:
    path = tmp_path / "calls.txt"
    path.write_text(
        "curl 'http://shop.test/cart?a=b' -X PUT -H 'X-One: 1' -b 'session=abc' --compressed \\\n"
        "  --data-raw $'{\"item\":\\t\"\\u00e9\"}' -H 'content-type: application/json'\n"
    )
    async with serve(answer_ok) as server:
        imported = import_requests(path, url=server.url, host="shop.test", unsafe_methods=True)
        await load_here(LoadOptions(url=server.url, requests=imported.requests, duration=None, request_limit=1))
        (exchange,) = server.exchanges
    assert exchange.line == "PUT /cart?a=b HTTP/1.1"
    assert exchange.body == '{"item":\t"é"}'.encode()
    expected = {"X-One": "1", "Cookie": "session=abc", "content-type": "application/json", "Content-Length": "14"}
    assert {name: exchange.header(name) for name in expected} == expected
    assert exchange.header("Host") == server.url.split("/")[2]
