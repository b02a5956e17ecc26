from __future__ import annotations

import pytest

from perfloop.diagnosis.index_trial import IndexTrial
from perfloop.diagnosis.rules import blocking_call_in_async
from perfloop.diagnosis.sql import IndexProposal
from perfloop.monitoring.observations import LongStep, Stack

from ..synthetic import MS, Call, Run, Sent, frame, library, source

TEXT = """\
import time

async def quote():
    time.sleep(0.03)
    rows = con.execute("SELECT * FROM carrier").fetchall()
    return {"price": len(rows)}
"""


def sleeping() -> Run:
    steps = [
        LongStep(pid=100, route="/quote", started=1_000 + i * 0.1, wall=30 * MS, cpu=0.2 * MS, stack=[frame(4)])
        for i in range(1, 101)
    ]
    return Run(
        [Sent(route="/quote", parts={"cpu": 1 * MS, "blocking": 30 * MS}, is_async=True)] * 100,
        interval=0.1,
        long_steps=steps,
        texts=source(TEXT),
        capacity_rps=31,
    )


def test_a_sleep_is_named_with_its_line_and_replacement() -> None:
    (finding,) = blocking_call_in_async.RULE.find(sleeping().evidence())
    assert finding.place.line == 4
    assert finding.measures["call"] == "time.sleep(…)"
    assert "asyncio.sleep" in finding.fix
    assert "holds the event loop for 30 ms" in finding.evidence
    # The request itself waits as before; the capacity is what the fix is for.
    assert finding.predicted.p50_ms[1] == pytest.approx(31.2, rel=0.2)
    assert finding.predicted.capacity_rps[1] > 300
    assert finding.share_of_time > 0.8


HELPERS = """\
import urllib.request

def rates():
    return urllib.request.urlopen("http://bank/rates").read()

def cached_rates():
    return rates()

async def quote():
    return cached_rates()
"""


def asking(*stack: int) -> Run:
    """The handler waits for another service, through helpers that are no coroutines."""
    functions = {4: "rates", 7: "cached_rates", 10: "quote"}
    run = sleeping()
    run.texts = source(HELPERS)
    run.long_steps = [
        LongStep(
            pid=100,
            route="/quote",
            started=1_000 + i * 0.1,
            wall=30 * MS,
            cpu=0.2 * MS,
            stack=[library("urllib"), *(frame(line, function=functions[line]) for line in stack)],
        )
        for i in range(1, 101)
    ]
    return run


def test_a_helper_that_is_no_coroutine_cannot_await() -> None:
    (finding,) = blocking_call_in_async.RULE.find(asking(4, 7, 10).evidence())
    assert finding.place.line == 4
    assert "rates is no async function" in finding.fix
    assert "an async client" in finding.fix
    # What the coroutine calls is what can go to a thread, whole.
    assert "at orders.py:10, await asyncio.to_thread(cached_rates, …)" in finding.fix


def test_a_caller_that_was_not_sampled_is_described() -> None:
    (finding,) = blocking_call_in_async.RULE.find(asking(4, 7).evidence())
    assert "where async code calls cached_rates, await asyncio.to_thread(" in finding.fix


def test_the_other_routes_wait_less() -> None:
    run = sleeping()
    run.interval = 0.02
    run.requests = [run.requests[0], Sent(route="/ping", before=25 * MS, is_async=True)] * 50
    (finding,) = blocking_call_in_async.RULE.find(run.evidence())
    (gain,) = finding.others
    assert gain.route == "GET /ping"
    assert gain.p50_ms[1] < 15


def test_sampled_stacks_serve_where_no_step_was_long() -> None:
    run = sleeping()
    run.long_steps = []
    run.stacks = [
        Stack(pid=100, route="/quote", frames=[frame(4)], samples=100, cpu_seconds=0.01),
        Stack(pid=100, route="/quote", frames=[frame(6)], samples=10, cpu_seconds=0.1),
    ]
    (finding,) = blocking_call_in_async.RULE.find(run.evidence())
    assert finding.place.line == 4


def querying(seconds: float = 20 * MS, *, on_loop: bool = True) -> Run:
    return Run(
        [Sent(route="/quote", calls=[Call(0, 0, seconds, on_loop=on_loop)], is_async=True)] * 100,
        statements=["SELECT * FROM carrier"],
        sites=[[frame(5)]],
        interval=0.1,
        texts=source(TEXT),
        capacity_rps=44,
    )


def test_a_synchronous_statement_is_named() -> None:
    (finding,) = blocking_call_in_async.RULE.find(querying().evidence())
    assert finding.place.line == 5
    assert finding.measures["call"] == "con.execute(…)"
    assert "aiosqlite" in finding.fix


def test_a_statement_in_a_thread_blocks_nothing() -> None:
    assert blocking_call_in_async.RULE.find(querying(on_loop=False).evidence()) == []


def test_a_short_statement_is_no_finding() -> None:
    assert blocking_call_in_async.RULE.find(querying(0.5 * MS).evidence()) == []


def test_a_statement_that_only_lacks_an_index_is_left_to_that_rule() -> None:
    run = querying()
    run.trials = {
        0: IndexTrial(IndexProposal("carrier", ("country",)), 20 * MS, 0.1 * MS, True, 1, 10_000, 1, 0.1, None)
    }
    assert blocking_call_in_async.RULE.find(run.evidence()) == []


def test_repeated_statements_are_left_to_n_plus_one() -> None:
    run = querying()
    for sent in run.requests:
        sent.calls = [Call(0, 0, 1 * MS, on_loop=True)] * 20
    assert blocking_call_in_async.RULE.find(run.evidence()) == []


def test_blocking_in_a_thread_is_no_finding() -> None:
    run = sleeping()
    for sent in run.requests:
        sent.is_async = False
    assert blocking_call_in_async.RULE.find(run.evidence()) == []
