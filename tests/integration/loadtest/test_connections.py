"""Connections that come late, close at the wrong moment, or never open."""

from __future__ import annotations

import asyncio
import socket

import numpy as np
import pytest

from perfloop.exceptions import UnreachableTarget
from perfloop.loadtest import Engine, Journey, LoadOptions, Scenario, Step

from .serving import OK, answer_ok, kinds, serve


def answer_then_swallow(count: int):
    """Answer `count` requests on each connection; close without a word when the next comes."""

    async def handler(exchange):
        if exchange.position < count:
            await exchange.send(OK)
        else:
            exchange.close()

    return handler


async def test_a_keep_alive_connection_closed_under_a_request_is_retried_once_and_counted(load) -> None:
    async with serve(answer_then_swallow(2)) as server:
        outcome = await load(
            LoadOptions(url=server.url, connections=1, request_limit=6, duration=20, keep_samples=True)
        )
        assert outcome.results.statuses == {"200": 6}
        assert outcome.summary.errors == 0
        assert outcome.events["retried"] == 2
        assert len(server.exchanges) == 6 + 2
    samples = outcome.samples
    assert samples.number.tolist() == [1, 2, 3, 4, 5, 6]
    # Latency counts from due; what the retry took is the service's, not the generator's.
    retried = [2, 4]
    assert all(samples.free[i] > samples.due[i] for i in retried)
    assert all(samples.free[i] == samples.due[i] for i in (0, 1, 3, 5))
    assert all(samples.due[i] == samples.done[i - 1] for i in range(1, 6))


async def test_a_request_that_is_not_idempotent_is_never_sent_twice(load) -> None:
    async with serve(answer_then_swallow(1)) as server:
        options = LoadOptions(url=server.url, method="POST", body=b"order", connections=1, request_limit=6, duration=20)
        outcome = await load(options)
        assert kinds(outcome) == {"closed before response": 3}
        assert outcome.results.statuses == {"200": 3}
        assert "retried" not in outcome.events
        assert len(server.exchanges) == 6


async def test_a_fresh_connection_that_closes_without_an_answer_is_a_failure(load) -> None:
    async with serve(answer_then_swallow(0)) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=4, duration=20))
        assert kinds(outcome) == {"closed before response": 4}
        assert "retried" not in outcome.events
        assert len(server.exchanges) == 4


async def test_a_retry_that_fails_too_is_an_error(load) -> None:
    async def handler(exchange):
        if len(server.exchanges) == 1:
            await exchange.send(OK)
        else:
            exchange.close()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=2, duration=20))
        assert outcome.results.statuses == {"200": 1}
        assert kinds(outcome) == {"closed before response": 1}
        assert outcome.events["retried"] == 1
        assert len(server.exchanges) == 3


async def test_the_cost_of_a_new_connection_is_in_the_latency(load) -> None:
    async def handler(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=5, keep_samples=True))
    samples = outcome.samples
    assert (samples.due[1:] == samples.done[:-1]).all()
    assert (samples.free[1:] > samples.due[1:]).all()
    assert (samples.written >= samples.free).all()


async def test_a_server_that_is_gone_gives_refused_errors_at_a_bounded_pace(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)
        if len(server.exchanges) == 3:
            listening.set()

    listening = asyncio.Event()
    async with serve(handler) as server:
        running = asyncio.ensure_future(load(LoadOptions(url=server.url, connections=2, duration=0.8)))
        await listening.wait()
    # The block has ended: nothing listens any more, and the connections are closed.
    outcome = await running
    assert set(kinds(outcome)) <= {"connection refused", "connection reset", "closed before response"}
    assert 4 <= kinds(outcome)["connection refused"] <= 40
    assert "cannot connect" in next(
        kind.example for kind in outcome.results.error_kinds if kind.kind == "connection refused"
    )
    assert outcome.summary.requests == outcome.summary.errors + outcome.results.statuses["200"]


async def test_in_the_open_model_requests_that_cannot_be_sent_are_all_accounted_for(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)
        if len(server.exchanges) == 3:
            seen.set()

    seen = asyncio.Event()
    async with serve(handler) as server:
        options = LoadOptions(url=server.url, connections=2, rate=100, duration=0.6, timeout=0.3)
        running = asyncio.ensure_future(load(options))
        await seen.wait()
    outcome = await running
    errors = kinds(outcome)
    assert outcome.summary.requests == 60
    assert errors["connection refused"] >= 2
    assert errors["never sent"] >= 10
    assert sum(errors.values()) + sum(outcome.results.statuses.values()) == 60


async def test_a_refused_connection_before_the_start_is_one_clear_error(load) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound, not listening
        port = reserved.getsockname()[1]
        with pytest.raises(UnreachableTarget) as caught:
            await load(LoadOptions(url=f"http://127.0.0.1:{port}/", connections=3))
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert "refused" in str(caught.value)
    assert "start the service" in caught.value.hint


async def test_an_unknown_host_is_one_clear_error(load) -> None:
    with pytest.raises(UnreachableTarget) as caught:
        await load(LoadOptions(url="http://no-such-host.invalid/"))
    assert "no-such-host.invalid:80" in str(caught.value)


async def test_a_missing_unix_socket_is_one_clear_error(load, tmp_path) -> None:
    path = f"{tmp_path}/none.sock"
    with pytest.raises(UnreachableTarget) as caught:
        await load(LoadOptions(url="http+unix://" + path.replace("/", "%2F") + "/"))
    assert path in str(caught.value)


async def test_a_server_that_takes_no_more_connections_says_how_many_it_took(load) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2)  # never accepts: the kernel completes three connections, then lets the rest wait
        port = listening.getsockname()[1]
        with pytest.raises(UnreachableTarget) as caught:
            await load(LoadOptions(url=f"http://127.0.0.1:{port}/", connections=8, timeout=0.5))
    assert "opened 3" in str(caught.value)
    assert "lower --connections" in caught.value.hint


async def test_a_slow_accept_delays_nothing_that_was_due(load) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        port = listening.getsockname()[1]
        options = LoadOptions(url=f"http://127.0.0.1:{port}/", connections=2, rate=50, duration=0.4, keep_samples=True)
        arrived = asyncio.Event()
        asyncio.get_running_loop().add_reader(listening, arrived.set)
        running = asyncio.ensure_future(load(options))
        await arrived.wait()
        asyncio.get_running_loop().remove_reader(listening)
        await asyncio.sleep(0.5)

        async def serve_connection(reader, writer):
            while (await reader.readline()) == b"GET / HTTP/1.1\r\n":
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
            writer.close()

        server = await asyncio.start_server(serve_connection, sock=listening.dup())
        outcome = await running
        server.close()
    assert outcome.results.statuses == {"200": 20}
    # Due from the start, answered only after the accept: the wait is in the latency, not in the generator's lag.
    assert outcome.summary.latency_ms.max >= 250
    due = sorted(outcome.samples.due)
    assert due == pytest.approx([due[0] + number / 50 for number in range(20)], abs=1e-6)


async def test_a_server_that_never_answers_gives_timeouts_and_the_run_ends(load) -> None:
    async def handler(exchange):
        await asyncio.sleep(60)

    async with serve(handler) as server:
        closed = await load(LoadOptions(url=server.url, connections=3, duration=1.2, timeout=0.5))
        opened = await load(LoadOptions(url=server.url, connections=2, rate=50, duration=0.5, timeout=0.5))
    assert set(kinds(closed)) == {"timeout"}
    # Three connections give up a request after 0.5 s and send the next while 1.2 s have not passed: nine, or on a busy
    # machine, where a step comes late, fewer.
    assert 3 <= closed.summary.requests == closed.summary.errors <= 9
    assert closed.summary.latency_ms.p50 >= 495
    assert closed.summary.elapsed_seconds < 30  # not the server's 60
    assert opened.summary.requests == opened.summary.errors == 25
    assert set(kinds(opened)) == {"timeout", "never sent"}
    # Requests that were given up count with what they waited: percentiles do not improve by giving up.
    assert opened.latency.count == 25
    assert opened.summary.latency_ms.max >= 400
    assert opened.summary.elapsed_seconds < 30


async def test_a_response_that_trickles_on_past_the_timeout_times_out(load) -> None:
    async def handler(exchange):
        exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            exchange.writer.write(b"x")
            await exchange.writer.drain()
            await asyncio.sleep(0.01)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=1, request_limit=2, duration=5, timeout=0.5))
    assert kinds(outcome) == {"timeout": 2}


async def test_a_server_that_closes_idle_connections_costs_no_error(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)
        await asyncio.sleep(0.03)
        exchange.close()

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=2, rate=20, duration=0.8))
        assert outcome.results.statuses == {"200": 16}
        assert outcome.summary.errors == 0
        assert outcome.events["reconnected"] >= 10


async def test_nothing_is_lost_the_server_counted_what_the_client_did(load) -> None:
    async with serve(answer_ok) as server:
        closed = await load(LoadOptions(url=server.url, connections=8, duration=0.4))
        assert len(server.exchanges) == closed.summary.requests > 8
        server.exchanges.clear()
        opened = await load(LoadOptions(url=server.url, connections=4, rate=300, duration=0.5, arrival="poisson"))
        assert len(server.exchanges) == opened.summary.requests > 50
        server.exchanges.clear()
        limited = await load(LoadOptions(url=server.url, connections=7, request_limit=100, duration=None))
        assert len(server.exchanges) == limited.summary.requests == 100


async def test_the_open_model_opens_connections_when_requests_need_them(load) -> None:
    async def handler(exchange):
        await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=64, rate=40, duration=0.5, keep_samples=True))
        assert outcome.results.statuses == {"200": 20}
        # Each was answered long before the next was due, unless the machine was busy: as many as were due at once.
        samples = outcome.samples
        assert server.connections <= max(((samples.due <= at) & (at <= samples.done)).sum() for at in samples.due)
        assert "reconnected" not in outcome.events
        assert {event.kind: event.count for event in outcome.results.events} == outcome.events


async def test_no_idle_connection_stands_in_the_way_of_a_server_that_serves_one_at_a_time(load) -> None:
    async def handler(exchange):
        await exchange.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        exchange.close()

    for _ in range(10):
        async with serve(handler) as server:
            options = LoadOptions(url=server.url, connections=64, rate=40, duration=0.5, keep_samples=True)
            outcome = await load(options)
            assert outcome.results.statuses == {"200": 20}
            assert len(server.exchanges) == 20
        # Held up by a busy machine, several requests are due at once, and each is given a connection.
        due, done = np.sort(outcome.samples.due), np.sort(outcome.samples.done)
        crowded = (done[:-1] > due[1:]).sum()
        if not crowded:
            break
    assert 20 <= server.connections <= 20 + crowded


async def test_what_is_due_while_a_connection_opens_waits_in_the_queue(load) -> None:
    async def handler(exchange):
        await asyncio.sleep(0.05)
        await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(LoadOptions(url=server.url, connections=3, rate=200, duration=0.3))
        assert outcome.results.statuses == {"200": 60}
        assert server.connections == 3
    assert outcome.summary.queue_ms.max > 50


async def test_connections_are_spread_over_all_addresses_that_can_be_reached() -> None:
    async with serve(answer_ok) as one, serve(answer_ok, host="127.0.0.2") as two:
        ports = [int(server.url.split(":")[2].strip("/")) for server in (one, two)]
        engine = Engine(LoadOptions(url=one.url))
        connector = engine._connector
        dead = (socket.AF_INET, ("127.0.0.3", ports[0]))
        connector._addresses = [
            (socket.AF_INET, ("127.0.0.1", ports[0])),
            dead,
            (socket.AF_INET, ("127.0.0.2", ports[1])),
        ]
        opened = [await connector.open() for _ in range(6)]
        await asyncio.sleep(0.02)
        assert (one.connections, two.connections) == (3, 3)
        assert engine.events.counts() == {"address left out": 1}
        assert dead not in connector._addresses
        assert connector.openings.connect.count == 6
        for connection in opened:
            connection.close()


async def test_an_address_that_alone_remains_is_tried_again() -> None:
    async with serve(answer_ok) as server:
        engine = Engine(LoadOptions(url=server.url))
        connector = engine._connector
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        connector._addresses = [(socket.AF_INET, ("127.0.0.1", port))]
        with pytest.raises(ConnectionRefusedError):
            await connector.open()
        assert connector._addresses == [(socket.AF_INET, ("127.0.0.1", port))]
        assert engine.events.counts() == {}


async def test_phases_of_connections_and_requests(load) -> None:
    async def in_two_pieces(exchange):
        await exchange.send(OK[:-1], OK[-1:], pause=0.01)

    async with serve(in_two_pieces) as server:
        outcome = await load(LoadOptions(url=server.url, connections=3, request_limit=9))
    phases = {phase.name: phase for phase in outcome.results.phases}
    assert {name: phase.count for name, phase in phases.items()} == {
        "dns": 1,
        "connect": 3,
        "first_byte": 9,
        "body": 9,
    }
    assert phases["body"].time_ms.p50 > 5


@pytest.mark.parametrize("model", [{}, {"rate": 500.0}], ids=["closed", "open"])
@pytest.mark.parametrize("closes", [True, False])
async def test_without_keep_alive_each_request_has_a_connection_of_its_own(load, model, closes: bool) -> None:
    async def handler(exchange):
        await exchange.send(OK)
        if closes:
            exchange.close()

    async with serve(handler) as server:
        options = LoadOptions(url=server.url, keep_alive=False, connections=3, request_limit=30, **model)
        outcome = await load(options)
    assert outcome.results.statuses == {"200": 30}
    assert outcome.summary.errors == 0
    assert {exchange.position for exchange in server.exchanges} == {0}
    assert {exchange.header("connection") for exchange in server.exchanges} == {"close"}
    assert 30 <= server.connections <= (33 if model else 30)
    assert outcome.plan.keep_alive is False


async def test_users_of_a_scenario_keep_no_connection_either(load) -> None:
    scenario = Scenario(journey=(Journey(step=(Step(path="/a"), Step(path="/b"))),))
    async with serve(answer_ok) as server:
        outcome = await load(
            LoadOptions(url=server.url, scenario=scenario, keep_alive=False, connections=2, request_limit=5)
        )
    assert outcome.results.statuses == {"200": 10}
    assert {exchange.position for exchange in server.exchanges} == {0}
    assert {exchange.header("connection") for exchange in server.exchanges} == {"close"}
