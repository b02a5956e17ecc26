"""HTTP/2 together with what else a load test can do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest import (
    Feeder,
    Journey,
    Request,
    Scenario,
    Step,
    WeightedRequest,
)

from .http2_serving import Peer, options, serving
from .serving import kinds, load_here, load_in_thread

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[load_here, load_in_thread], ids=["asyncio", "uvloop"])
def load(request):
    return request.param


def answer(peer: Peer, stream: int, _headers: dict[str, str], _body: bytes) -> None:
    peer.answer(stream)


async def test_a_unix_socket(load, tmp_path: Path) -> None:
    async with serving(answer, unix_path=f"{tmp_path}/app.sock") as server:
        outcome = await load(options(server))
    assert outcome.results.statuses == {"200": 20}
    assert {headers[":authority"] for headers, _ in server.seen} == {"localhost"}
    assert {headers[":path"] for headers, _ in server.seen} == {"/items?page=1"}
    assert (outcome.results.phases[0].name, outcome.results.phases[0].count) == ("connect", 1)


async def test_a_trace_numbers_the_requests(load) -> None:
    async with serving(answer) as server:
        outcome = await load(options(server, trace=True, method="POST", body=b"x"))
    parents = [headers["traceparent"] for headers, _ in server.seen]
    assert len({parent[:36] for parent in parents}) == 1
    assert sorted(parent[36:] for parent in parents) == [f"{number:016x}-01" for number in range(1, 21)]
    assert {body for _, body in server.seen} == {b"x"}
    assert {request.trace_id for request in outcome.results.slowest} == {parents[0][3:35]}


async def test_expected_statuses(load) -> None:
    def missing(peer: Peer, stream: int, headers: dict[str, str], _body: bytes) -> None:
        peer.answer(stream, headers=[(":status", "404" if headers[":path"] == "/gone" else "200")])

    async with serving(missing) as server:
        requests = (Request(target="/gone"), Request(target="/here"))
        outcome = await load(options(server, requests=requests, expect_status=frozenset({404})))
    assert outcome.results.statuses == {"200": 10, "404": 10}
    assert kinds(outcome) == {"status 200": 10}


@pytest.mark.parametrize("trace", [False, True], ids=["", "traced"])
async def test_weighted_requests_made_from_templates(load, trace: bool) -> None:
    async with serving(answer) as server:
        rows = tuple({"id": str(number), "name": f"item {number}"} for number in range(7))
        scenario = Scenario(
            feeders={"items": Feeder(rows=rows)},
            request=(
                WeightedRequest(path="/items/{items.id}", weight=3),
                WeightedRequest(path="/cart", json={"name": "{items.name}"}),
                WeightedRequest(path="/fixed"),
            ),
        )
        outcome = await load(options(server, scenario=scenario, request_limit=50, trace=trace))
    assert outcome.results.statuses == {"200": 50}, outcome.results.error_kinds
    paths = Counter(headers[":path"] for headers, _ in server.seen)
    assert paths["/fixed"] == paths["/cart"] == 10
    assert {path for path in paths if path.startswith("/items/")} == {f"/items/{number}" for number in range(7)}
    bodies = {body for headers, body in server.seen if headers[":path"] == "/cart"}
    assert bodies <= {b'{"name": "item %d"}' % number for number in range(7)}
    assert len(bodies) > 1
    assert len(server.peers) == 1


async def test_headers_of_more_than_a_frame(load) -> None:
    long = "".join(chr(ord("a") + number % 26) for number in range(40_000))
    async with serving(answer) as server:
        outcome = await load(options(server, headers=(("X-Long", long),), method="POST", body=b"body", request_limit=5))
    assert outcome.results.statuses == {"200": 5}
    assert {(headers["x-long"], body) for headers, body in server.seen} == {(long, b"body")}


async def test_users_are_refused() -> None:
    scenario = Scenario(journey=(Journey(step=(Step(path="/a"), Step(path="/b"))),))
    async with serving(answer) as server:
        with pytest.raises(ConfigurationError, match="no HTTP/2") as caught:
            await load_here(options(server, scenario=scenario))
    assert "leave out --http2" in (caught.value.hint or "")
