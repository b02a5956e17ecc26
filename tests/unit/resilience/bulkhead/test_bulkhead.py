from __future__ import annotations

import asyncio
import os
import threading

import pytest

from perfloop.exceptions import AsyncMisuse, BulkheadFull, BulkheadTimedOut, CallRejected, InvalidValue
from perfloop.resilience import Bulkhead, deadline, priority
from perfloop.telemetry import Registry


def make(*args, **settings) -> Bulkhead:
    return Bulkhead(*args, registry=Registry(), **settings)


async def nothing() -> None:
    pass


async def queued(bulkhead: Bulkhead, number: int) -> None:
    while bulkhead.gauges()["queue_depth"] < number:
        await asyncio.sleep(0)


class Running:
    """A call that runs until it is told to end."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.go_on = asyncio.Event()
        self.task = asyncio.create_task(bulkhead.aexecute(self.go_on.wait))

    async def end(self) -> None:
        self.go_on.set()
        await self.task


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"max_concurrency": -1}, "max_concurrency"),
        ({"max_concurrency": True}, "max_concurrency"),
        ({"max_concurrency": 1.5}, "max_concurrency"),
        ({"max_concurrency": 1, "timeout": -1}, "timeout"),
        ({"max_concurrency": 1, "timeout": float("inf")}, "timeout"),
        ({"max_concurrency": 1, "timeout": float("nan")}, "timeout"),
        ({"max_concurrency": 1, "max_queue": -1}, "max_queue"),
        ({"max_concurrency": 1, "name": 7}, "name"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, where) -> None:
    with pytest.raises(InvalidValue) as caught:
        make(**arguments)
    assert caught.value.where == where


async def test_full_and_timed_out_are_different_errors() -> None:
    bulkhead = make(1, 60.0, max_queue=1, name="stock")
    events = []
    bulkhead.on_event(lambda event: events.append((event.event, event.attributes["result"])))
    running = Running(bulkhead)
    await asyncio.sleep(0)
    waiting = asyncio.create_task(bulkhead.aexecute(nothing))
    await queued(bulkhead, 1)
    with pytest.raises(BulkheadFull, match="1 calls run and 1 wait, which is all that may") as full:
        await bulkhead.aexecute(nothing)
    waiting.cancel()
    await asyncio.wait((waiting,))
    bulkhead._admission.timeout = 0.01
    with pytest.raises(BulkheadTimedOut, match=r"0\.01 s") as late:
        await bulkhead.aexecute(nothing)
    assert full.value.where == late.value.where == "bulkhead stock"
    await running.end()
    assert bulkhead.counts() == {"permitted": 1, "rejected_full": 1, "rejected_timed_out": 1}
    assert events == [("call_rejected", "rejected_full"), ("call_rejected", "rejected_timed_out")]


async def test_each_rejection_is_an_error_of_its_own() -> None:
    bulkhead = make(1, 0)
    running = Running(bulkhead)
    await asyncio.sleep(0)
    errors = []
    for _ in range(2):
        with pytest.raises(BulkheadFull) as caught:
            await bulkhead.aexecute(nothing)
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert errors[0].__context__ is None or errors[0].__suppress_context__
    await running.end()


def test_without_a_timeout_nobody_waits() -> None:
    bulkhead = make(1, 0, max_queue=5)
    with bulkhead.guard(), pytest.raises(BulkheadFull):
        bulkhead.execute(int)
    assert bulkhead.gauges()["queue_capacity"] == 0
    assert bulkhead.execute(int) == 0


async def test_more_important_calls_go_first_and_take_the_last_place() -> None:
    bulkhead, served = make(1, 60.0, max_queue=2), []
    running = Running(bulkhead)
    await asyncio.sleep(0)

    async def serve(name: str) -> None:
        served.append(name)

    tasks = [asyncio.create_task(bulkhead.aexecute(serve, name)) for name in ("first", "last")]
    await queued(bulkhead, 2)
    with priority(1):
        tasks.append(asyncio.create_task(bulkhead.aexecute(serve, "important")))
    with pytest.raises(BulkheadFull):
        await tasks[1]
    await running.end()
    await asyncio.gather(tasks[0], tasks[2])
    assert served == ["important", "first"]


async def test_nobody_waits_longer_than_its_deadline() -> None:
    bulkhead = make(1, 60.0)
    running = Running(bulkhead)
    await asyncio.sleep(0)
    with deadline(0.01), pytest.raises(BulkheadTimedOut, match="or until its deadline"):
        await bulkhead.aexecute(nothing)
    with deadline(0.01), pytest.raises(BulkheadTimedOut):
        bulkhead.execute(int)
    await running.end()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
async def test_whatever_ends_a_call_gives_its_permit_back(error) -> None:
    bulkhead = make(1, 0)

    def fail() -> None:
        raise error

    async def afail() -> None:
        raise error

    with pytest.raises(error):
        bulkhead.execute(fail)
    coroutine = bulkhead.aexecute(afail)
    with pytest.raises(error):
        coroutine.send(None)
    with pytest.raises(error), bulkhead.guard():
        raise error
    assert bulkhead.counts()["permitted"] == 3
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


async def test_a_call_that_does_not_obey_its_cancellation_keeps_its_permit_until_it_ends() -> None:
    bulkhead, go_on = make(1, 0), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await go_on.wait()

    task = asyncio.create_task(bulkhead.aexecute(stubborn))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert bulkhead.gauges()["available_concurrent_calls"] == 0
    go_on.set()
    await task
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


def test_a_call_inside_its_own_last_permit_does_not_hang() -> None:
    bulkhead = make(1, 0.01)
    with pytest.raises(BulkheadTimedOut):
        bulkhead.execute(lambda: bulkhead.execute(int))
    assert make(2, 0.01).execute(lambda: bulkhead.execute(int)) == 0


async def test_resizing_serves_who_waits_and_is_told() -> None:
    bulkhead = make(1, 60.0, max_queue=5, name="stock")
    events = []
    bulkhead.on_event(lambda event: events.append((event.event, dict(event.attributes))))
    running = [Running(bulkhead) for _ in range(3)]
    await queued(bulkhead, 2)
    bulkhead.resize(3)
    await asyncio.sleep(0)
    assert bulkhead.gauges()["available_concurrent_calls"] == bulkhead.gauges()["queue_depth"] == 0
    bulkhead.resize(1)
    for each in running[:2]:
        await each.end()
    assert bulkhead.gauges()["available_concurrent_calls"] == 0
    await running[2].end()
    assert bulkhead.gauges()["available_concurrent_calls"] == 1
    assert events == [("resized", {"before": 1, "after": 3}), ("resized", {"before": 3, "after": 1})]
    assert str(bulkhead.describe()) == "bulkhead 'stock': max_concurrency=1, timeout=60.0, max_queue=5"
    with pytest.raises(InvalidValue):
        bulkhead.resize(0)


def test_threads_and_tasks_share_the_permits() -> None:
    bulkhead, inside, go_on = make(2, 0), threading.Semaphore(0), threading.Event()

    def work() -> None:
        inside.release()
        go_on.wait(60)

    async def awork() -> None:
        inside.release()
        await asyncio.to_thread(go_on.wait, 60)

    threads = [
        threading.Thread(target=lambda: bulkhead.execute(work), daemon=True),
        threading.Thread(target=lambda: asyncio.run(bulkhead.aexecute(awork)), daemon=True),
    ]
    for thread in threads:
        thread.start()
        inside.acquire()
    with pytest.raises(CallRejected):
        bulkhead.execute(int)
    with pytest.raises(CallRejected):
        asyncio.run(bulkhead.aexecute(nothing))
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert bulkhead.gauges()["available_concurrent_calls"] == 2


def test_a_coroutine_is_refused_in_a_thread() -> None:
    bulkhead = make(1, 0)
    with pytest.raises(AsyncMisuse):
        bulkhead.execute(nothing)
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


def test_a_forked_child_has_all_permits() -> None:
    bulkhead = make(1, 0)
    with bulkhead.guard():
        child = os.fork()
        if child == 0:
            try:
                os._exit(bulkhead.execute(int))
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
