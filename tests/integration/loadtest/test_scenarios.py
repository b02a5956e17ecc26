"""Scenarios against a real server: journeys, Python users, what they cost nothing else."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import ConfigurationError
from perfloop.loadtest import (
    Check,
    Extraction,
    Feeder,
    Journey,
    LoadOptions,
    PythonScenario,
    Scenario,
    Step,
    WeightedRequest,
    run,
)
from perfloop.loadtest.connector import Connector

from .serving import OK, Exchange, answer_ok, kinds, load_here, serve

if TYPE_CHECKING:
    from pathlib import Path

    from perfloop.loadtest.connection import Connection


def options(url: str, scenario: Scenario | PythonScenario, **more: Any) -> LoadOptions:
    given = {"connections": 2, "request_limit": 4, "duration": None, "timeout": 5.0, **more}
    return LoadOptions(url=url, scenario=scenario, **given)


async def answer(exchange: Exchange, body: bytes = b"ok", *headers: str, status: str = "200 OK") -> None:
    lines = "".join(f"{line}\r\n" for line in headers)
    await exchange.send(f"HTTP/1.1 {status}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def test_independent_requests_in_proportion(load) -> None:
    scenario = Scenario(
        feeders={"items": Feeder(rows=tuple({"id": f"é {number}"} for number in range(5)))},
        request=(WeightedRequest(path="/items/{items.id}", weight=3), WeightedRequest(path="/cart", body="{{x}}")),
    )
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario, request_limit=40))
    lines = [exchange.line for exchange in server.exchanges]
    assert lines.count("POST /cart HTTP/1.1") == 10
    assert {line for line in lines if "items" in line} == {f"GET /items/%C3%A9%20{n} HTTP/1.1" for n in range(5)}
    assert {exchange.body for exchange in server.exchanges} == {b"", b"{x}"}
    assert (outcome.summary.requests, outcome.summary.errors) == (40, 0)
    assert outcome.plan.requests == ["3x GET /items/{items.id}", "POST /cart"]


JOURNEY = Scenario(
    feeders={"users": Feeder(rows=({"name": "a"}, {"name": "b"}))},
    cookies=True,
    journey=(
        Journey(
            name="buy",
            step=(
                Step(
                    path="/login",
                    json={"name": "{users.name}"},
                    extract={
                        "token": Extraction(json="/token"),
                        "etag": Extraction(header="ETag"),
                        "csrf": Extraction(regex='"csrf": "(.)"'),
                        "none": Extraction(header="X-None", default="nothing"),
                    },
                ),
                Step(path="/cart/{csrf}?n={none}", headers={"X-Token": "{token}", "X-Tag": "{etag}"}),
            ),
        ),
    ),
)


async def test_a_journey_extracts_and_keeps_cookies(load) -> None:
    async def handler(exchange: Exchange) -> None:
        if "/login" in exchange.line:
            name = json.loads(exchange.body)["name"]
            body = json.dumps({"token": f"t-{name}", "csrf": "q"}).encode()
            await answer(exchange, body, "ETag: e1", f"Set-Cookie: user={name}; Path=/")
        else:
            await answer(exchange)

    async with serve(handler) as server:
        outcome = await load(options(server.url, JOURNEY, connections=1))
    assert [exchange.line.split()[1] for exchange in server.exchanges] == ["/login", "/cart/q?n=nothing"] * 4
    carts = server.exchanges[1::2]
    assert [cart.header("x-token") for cart in carts] == ["t-a", "t-b", "t-a", "t-b"]
    assert [cart.header("cookie") for cart in carts] == ["user=a", "user=b", "user=a", "user=b"]
    assert {cart.header("x-tag") for cart in carts} == {"e1"}
    assert server.exchanges[2].header("cookie") is None, "each journey begins without cookies"
    assert (outcome.summary.requests, outcome.summary.errors) == (8, 0)
    (group,) = outcome.results.groups
    assert (group.name, group.count, group.failed) == ("buy", 4, 0)


async def test_an_extraction_that_finds_nothing_ends_the_journey(load) -> None:
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, JOURNEY))
    assert len(server.exchanges) == 4
    assert kinds(outcome) == {"extract: token": 4}
    assert outcome.results.error_kinds[0].example == "POST /login was answered with 200, and token is not in it"
    assert (outcome.summary.errors, outcome.results.groups[0].failed) == (4, 4)


async def test_checks_count_once_a_request(load) -> None:
    check = Check(status=200, contains="yes", max_latency=60)
    scenario = Scenario(request=(WeightedRequest(path="/x", check=check),))
    answers = itertools.cycle(["200 OK", "500 Oops"])

    async def handler(exchange: Exchange) -> None:
        await answer(exchange, b"no", status=next(answers))

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {"check: contains": 4, "check: status": 2, "status 500": 2}
    assert outcome.summary.errors == 4
    examples = {kind.kind: kind.example for kind in outcome.results.error_kinds}
    assert examples["check: status"] == "GET /x: status 500"
    assert examples["check: contains"] == "GET /x: 'no'"


async def test_a_unique_feeder_that_runs_out_ends_the_run(load) -> None:
    def scenario(on_end: str) -> Scenario:
        feeder = Feeder(rows=({"id": 1}, {"id": 2}, {"id": 3}), order="unique", on_end=on_end)
        return Scenario(feeders={"f": feeder}, request=(WeightedRequest(path="/{f.id}"),))

    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario("stop"), request_limit=None, duration=30.0))
        assert sorted(exchange.line.split()[1] for exchange in server.exchanges) == ["/1", "/2", "/3"]
        assert (outcome.partial, outcome.summary.requests, outcome.summary.errors) == (False, 3, 0)
        assert outcome.summary.elapsed_seconds < 20
        assert outcome.events["feeder ran out"] >= 1
        with pytest.raises(ConfigurationError) as caught:
            await load(options(server.url, scenario("fail"), request_limit=None, duration=30.0))
    assert "Expected more rows: the unique feeder `f` ran out after 3 rows (scenario.feeders.f)" in str(caught.value)


async def test_a_body_out_of_a_file_is_sent_in_pieces(load, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 3
    (tmp_path / "big.bin").write_bytes(content)
    scenario = Scenario(
        journey=(Journey(step=(Step(path="/up", body_file=str(tmp_path / "big.bin")), Step(path="/"))),)
    )
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario, connections=1, request_limit=2))
    assert [exchange.body for exchange in server.exchanges] == [content, b"", content, b""]
    assert server.connections == 1
    assert kinds(outcome) == {}


async def test_an_answer_before_the_body_is_sent_spends_the_connection(tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(b"x" * 50_000_000)
    scenario = Scenario(request=(WeightedRequest(path="/up", body_file=str(tmp_path / "big.bin")),))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        while await reader.read(65536):
            await asyncio.sleep(0.001)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        outcome = await load_here(options(f"http://127.0.0.1:{port}", scenario, connections=1, request_limit=2))
    assert kinds(outcome) == {"status 413": 2}
    assert outcome.events["reconnected"] == 1


PYTHON = """\
from perfloop.loadtest import journey

SEEN = []

async def setup(user):
    await user.post("/login", body="x")
    user.token = f"t{user.number}"

async def teardown(user):
    await user.delete("/login")

@journey(weight=3)
async def browse(user):
    response = await user.get("/items/{id}", id="a/b", headers={"X-Token": user.token})
    SEEN.append((response.status, response.ok, response.headers["content-length"], response.body, response.latency))
    with user.group("again"):
        await user.head("/items")

@journey()
async def buy(user):
    async with user.group("checkout"):
        await user.put("/cart", json={"item": 1})
        await user.patch("/cart", body=b"2")
        response = await user.request("OPTIONS", "/")
    user.check(response.text == "ok", "says ok")
    user.check(response.status == 204, "says 204")
"""


async def test_a_scenario_in_python(load, script) -> None:
    scenario = script(PYTHON)

    async def handler(exchange: Exchange) -> None:
        body = b"" if exchange.line.startswith("HEAD") else b"ok"
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: seen=1\r\n\r\n" + body)

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, request_limit=8))
    lines = [exchange.line.removesuffix(" HTTP/1.1") for exchange in server.exchanges]
    assert lines[:2] == ["POST /login"] * 2
    assert lines[-2:] == ["DELETE /login"] * 2
    assert {line: lines.count(line) for line in lines[2:-2]} == {
        "GET /items/a%2Fb": 6,
        "HEAD /items": 6,
        "PUT /cart": 2,
        "PATCH /cart": 2,
        "OPTIONS /": 2,
    }
    by_line = {exchange.line.split()[0]: exchange for exchange in server.exchanges}
    assert by_line["GET"].header("x-token") in ("t0", "t1")
    assert by_line["GET"].header("cookie") == "seen=1"
    assert (by_line["PUT"].body, by_line["PUT"].header("content-type")) == (b'{"item": 1}', "application/json")
    assert outcome.summary.requests == 18, "setup and teardown are not measured"
    assert outcome.unmeasured == 4
    assert kinds(outcome) == {"check: says 204": 2}
    assert outcome.results.error_kinds[0].example == "OPTIONS /: answered with 200"
    groups = {group.name: (group.count, group.failed) for group in outcome.results.groups}
    assert groups == {"browse": (6, 0), "again": (6, 0), "buy": (2, 0), "checkout": (2, 0)}


FAILING = """\
import asyncio
from perfloop.loadtest import RequestFailed

async def browse(user):
    number = user.turns = getattr(user, "turns", -1) + 1
    if number == 0:
        assert (await user.get("/a")).status == 201, "not created"
    elif number == 1:
        await user.get("/reset")
    elif number == 2:
        try:
            await user.get("/reset")
        except RequestFailed as error:
            assert error.kind == "closed before response"
            await user.get("/after")
    elif number == 3:
        raise ValueError(f"number\\n{number}")
    elif number == 4:
        await user.get("/items/{id}")
    elif number == 5:
        await asyncio.gather(user.get("/slow"), user.get("/b"))
    elif number == 6:
        try:
            async with asyncio.timeout(0.05):
                await user.get("/slow")
        except TimeoutError:
            await user.get("/after")
    else:
        raise asyncio.CancelledError
"""


async def test_errors_of_the_users_code_are_kinds_with_an_example(load, script) -> None:
    scenario = script(FAILING)

    async def handler(exchange: Exchange) -> None:
        if "/reset" in exchange.line:
            exchange.close()
        elif "/slow" in exchange.line:
            await asyncio.sleep(30)
        else:
            await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(options(server.url, scenario, connections=1, request_limit=8))
    found = {kind.kind: (kind.count, kind.example) for kind in outcome.results.error_kinds}
    name = scenario.file
    assert found["AssertionError"] == (1, f"browse: AssertionError: not created ({name}:7)")
    assert found["ValueError"] == (1, f"browse: ValueError: number 3 ({name}:17)")
    assert found["closed before response"][0] == 2
    assert found["given up"][0] == 2, "by the timeout, and left behind by gather"
    assert found["given up"][1].startswith("GET /slow: the scenario waited ")
    assert found["InvalidValue"][0] == 2
    assert "Expected a value for each placeholder of /items/{id}: id, got 'none'" in found["InvalidValue"][1]
    assert found["CancelledError"][0] == 1
    lines = [exchange.line.split()[1] for exchange in server.exchanges]
    assert lines.count("/after") == 2


async def test_a_request_given_up_while_its_connection_opens_is_counted(script, monkeypatch) -> None:
    scenario = script(
        "import asyncio\nasync def browse(user):\n    await user.get('/first')\n    try:\n"
        "        async with asyncio.timeout(0.05):\n            await user.get('/second')\n"
        "    except TimeoutError:\n        pass\n"
    )
    opened = []
    really_open = Connector.open

    async def open_once(self: Connector, failed_attempts: int = 0) -> Connection:
        opened.append(failed_attempts)
        if len(opened) == 2:
            await asyncio.sleep(30)
        return await really_open(self, failed_attempts)

    monkeypatch.setattr(Connector, "open", open_once)
    async with serve(lambda exchange: answer(exchange, b"ok", "Connection: close")) as server:
        outcome = await run(options(server.url, scenario, connections=1, request_limit=2))
    assert len(server.exchanges) == 3
    assert (outcome.summary.requests, outcome.summary.errors) == (4, 1)
    (given_up,) = outcome.results.error_kinds
    assert given_up.kind == "given up"
    assert given_up.example.startswith("GET /second: the scenario waited 0.0")
    assert outcome.latency.count == 4
    assert outcome.service_time.count == 3


async def test_ten_thousand_paths_and_error_texts_are_few(load, script) -> None:
    scenario = script(
        "import itertools\n"
        "NUMBERS = itertools.count()\n"
        "async def browse(user):\n"
        "    number = next(NUMBERS)\n"
        "    await user.get(f'/items/{number}')\n"
        "    user.check(False, f'number {number}')\n"
    )
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario, connections=8, request_limit=1300, keep_samples=True))
    assert outcome.summary.errors == 1300
    assert len(outcome.results.error_kinds) == 101
    assert outcome.results.error_kinds[0].kind == "other errors"
    assert len(set(outcome.samples.request_index.tolist())) == 1001


async def test_the_open_model_counts_from_when_a_journey_was_due(load, script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def browse(user):\n"
        "    await user.get('/first')\n"
        "    await asyncio.sleep(0.02)\n"
        "    await user.get('/second')\n"
    )
    slow = itertools.count()

    async def handler(exchange: Exchange) -> None:
        if next(slow) == 0:
            await asyncio.sleep(0.4)
        await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await load(
            options(server.url, scenario, connections=1, rate=20.0, request_limit=6, keep_samples=True)
        )
    samples = outcome.samples
    due = samples.due - samples.due.min()
    first = samples.request_index == samples.request_index[0]
    assert due[first].round(4).tolist() == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25], "they are due whatever the service does"
    assert (samples.written - samples.due)[first][1] > 0.3, "and wait in a queue"
    assert (samples.written - samples.due)[~first].max() < 0.3, "later steps are due when the user is ready"


async def test_stopping_cancels_users_and_runs_their_teardown(script) -> None:
    scenario = script(
        "import asyncio\n"
        "async def teardown(user):\n"
        "    await user.get('/teardown')\n"
        "async def browse(user):\n"
        "    await user.get('/a')\n"
        "    if user.number:\n"
        "        await asyncio.sleep(60)\n"
        "    await user.get('/never')\n"
    )
    stop = asyncio.Event()

    async def handler(exchange: Exchange) -> None:
        if "never" in exchange.line:
            stop.set()
        else:
            await exchange.send(OK)

    async with serve(handler) as server:
        outcome = await run(options(server.url, scenario, request_limit=None, duration=60.0), stop=stop)
        assert outcome.partial
        assert outcome.abandoned == 1
        assert [exchange.line.split()[1] for exchange in server.exchanges].count("/teardown") == 2
        assert [task for task in asyncio.all_tasks() if "_life_of" in repr(task)] == []


async def test_the_end_cuts_journeys_off(load) -> None:
    scenario = Scenario(journey=(Journey(step=(Step(path="/a", think=60), Step(path="/b"))),))
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario, request_limit=None, duration=0.2))
    assert [exchange.line.split()[1] for exchange in server.exchanges] == ["/a", "/a"]
    assert (outcome.partial, outcome.summary.errors, outcome.events["cut off by the end"]) == (False, 0, 2)


async def test_nobody_there_any_more_is_an_error_a_request(script) -> None:
    scenario = script("async def browse(user):\n    await user.get('/a')\n")
    async with serve(answer_ok) as server:
        running = asyncio.ensure_future(
            run(options(server.url, scenario, connections=1, request_limit=None, duration=0.6))
        )
        await asyncio.sleep(0.2)
    outcome = await running
    assert "connection refused" in kinds(outcome)
    assert outcome.summary.requests == sum(outcome.results.statuses.values()) + outcome.summary.errors


async def test_a_setup_that_fails_ends_the_run_before_it_begins(script) -> None:
    scenario = script("async def setup(user):\n    raise ValueError('no')\nasync def browse(user): ...")
    async with serve(answer_ok) as server:
        with pytest.raises(ConfigurationError, match=r"The setup of a user failed: ValueError: no \(script\d+\.py:2\)"):
            await load_here(options(server.url, scenario))


async def test_a_teardown_that_fails_is_told(script) -> None:
    scenario = script(
        "async def teardown(user):\n    raise ValueError('no')\nasync def browse(user):\n    await user.get('/')"
    )
    async with serve(answer_ok) as server:
        outcome = await load_here(options(server.url, scenario))
    assert kinds(outcome) == {"teardown: ValueError": 2}


async def test_sys_exit_is_an_error_like_others(load, script) -> None:
    scenario = script(
        "import sys\n"
        "async def teardown(user):\n    sys.exit('over')\n"
        "async def browse(user):\n    await user.get('/')\n    sys.exit(7)"
    )
    async with serve(answer_ok) as server:
        async with asyncio.timeout(20):
            outcome = await load(options(server.url, scenario, request_limit=6))
    assert kinds(outcome) == {"SystemExit": 6, "teardown: SystemExit": 2}


async def test_sys_exit_in_a_setup_ends_the_run_before_it_begins(script) -> None:
    scenario = script("import sys\nasync def setup(user):\n    sys.exit(7)\nasync def browse(user): ...")
    async with serve(answer_ok) as server:
        with pytest.raises(ConfigurationError, match=r"The setup of a user failed: SystemExit: 7 \(script\d+\.py:3\)"):
            await load_here(options(server.url, scenario))


async def test_what_users_leave_behind_is_collected(load, script) -> None:
    scenario = script("import gc\nasync def browse(user):\n    assert gc.isenabled()\n    await user.get('/')")
    async with serve(answer_ok) as server:
        outcome = await load(options(server.url, scenario))
    assert kinds(outcome) == {}
