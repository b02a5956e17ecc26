"""A call whose caller gave up stays counted until its thread has ended, and can be seen."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading

import pytest

from perfloop.exceptions import AsyncMisuse, BulkheadFull, CallTimedOut, DeadlineExceeded, InvalidValue
from perfloop.resilience import Policy, ThreadPoolBulkhead, deadline
from perfloop.telemetry import Registry

PATIENT = 60.0


def make(*args, **settings) -> ThreadPoolBulkhead:
    return ThreadPoolBulkhead(*args, registry=Registry(), **settings)


class Work:
    """Something that lasts until it is told to end."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.begun, self.go_on, self.error = threading.Event(), threading.Event(), error

    def __call__(self) -> str:
        self.begun.set()
        self.go_on.wait(PATIENT)
        if self.error:
            raise self.error
        return "result"


def impatient(bulkhead: ThreadPoolBulkhead, work: Work, monkeypatch) -> None:
    """Its callers' time runs only when the work has begun, however slow the machine is."""
    patience = bulkhead._patience
    monkeypatch.setattr(bulkhead, "_patience", lambda: (work.begun.wait(PATIENT), patience())[1])


async def recovered(bulkhead: ThreadPoolBulkhead) -> None:
    while bulkhead.gauges()["abandoned"]:
        await asyncio.sleep(0)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), "1"])
def test_settings_out_of_range_are_refused(timeout) -> None:
    with pytest.raises(InvalidValue) as caught:
        make(1, call_timeout=timeout)
    assert caught.value.where == "call_timeout"


def test_calls_run_in_threads_of_their_own_and_in_the_context_of_the_caller() -> None:
    bulkhead = make(2)
    variable = contextvars.ContextVar("variable")
    variable.set("mine")

    def look(*args: int, **kwargs: int):
        return variable.get(), threading.current_thread().name, args, kwargs

    for value, thread, args, kwargs in (bulkhead.execute(look, 1, a=2), asyncio.run(bulkhead.aexecute(look, 1, a=2))):
        assert (value, args, kwargs) == ("mine", (1,), {"a": 2})
        assert thread.startswith("perfloop-bulkhead")
    assert bulkhead.counts() == {"permitted": 2, "rejected_full": 0, "rejected_timed_out": 0, "abandoned": 0}


@pytest.mark.parametrize("error", [TimeoutError("own"), ValueError("own"), SystemExit(3), StopIteration("own")])
def test_errors_of_the_function_are_the_callers(error) -> None:
    bulkhead = make(1, call_timeout=PATIENT)
    work = Work(error)
    work.go_on.set()
    with pytest.raises(type(error)) as caught:
        bulkhead.execute(work)
    assert caught.value is error
    expected = RuntimeError if isinstance(error, StopIteration) else type(error)
    with pytest.raises(expected):
        asyncio.run(bulkhead.aexecute(work))
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


@pytest.mark.parametrize("error", [None, ValueError("nobody hears it")])
async def test_a_call_whose_task_is_cancelled_is_abandoned_and_counts_until_it_ends(error) -> None:
    bulkhead, work, events = make(1, 0), Work(error), []
    bulkhead.on_event(lambda event: events.append((event.event, event.attributes.get("error"))))
    task = asyncio.create_task(bulkhead.aexecute(work))
    while not work.begun.is_set():
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bulkhead.gauges()["abandoned"] == 1
    assert bulkhead.gauges()["available_concurrent_calls"] == 0
    with pytest.raises(BulkheadFull):
        await bulkhead.aexecute(int)
    work.go_on.set()
    await recovered(bulkhead)
    assert await bulkhead.aexecute(int) == 0
    assert bulkhead.counts()["abandoned"] == 1
    ended = ("abandoned_ended", "ValueError" if error else None)
    assert events == [("abandoned", None), ("call_rejected", None), ended]


@pytest.mark.parametrize("in_loop", [False, True])
def test_a_caller_out_of_patience_leaves_and_the_thread_stays_counted(in_loop: bool, monkeypatch) -> None:
    bulkhead, work = make(1, 0, call_timeout=0.01, name="stock"), Work()
    impatient(bulkhead, work, monkeypatch)
    with pytest.raises(CallTimedOut, match=r"within 0\.01 s; the thread runs on") as caught:
        asyncio.run(bulkhead.aexecute(work)) if in_loop else bulkhead.execute(work)
    assert caught.value.where == "thread_pool_bulkhead stock"
    assert (bulkhead.gauges()["abandoned"], bulkhead.gauges()["available_concurrent_calls"]) == (1, 0)
    work.go_on.set()
    asyncio.run(recovered(bulkhead))


@pytest.mark.parametrize("in_loop", [False, True])
def test_a_caller_waits_no_longer_than_its_deadline(in_loop: bool) -> None:
    bulkhead, work = make(1, 0), Work()
    with deadline(0.01), pytest.raises(DeadlineExceeded):
        asyncio.run(bulkhead.aexecute(work)) if in_loop else bulkhead.execute(work)
    work.go_on.set()
    asyncio.run(recovered(bulkhead))


def test_an_interrupted_caller_abandons_its_call(monkeypatch) -> None:
    bulkhead, work = make(1, 0), Work()

    def interrupted(self, timeout=None):
        work.begun.wait(PATIENT)
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bulkhead.execute(work)
    monkeypatch.undo()
    assert bulkhead.gauges()["abandoned"] == 1
    work.go_on.set()
    asyncio.run(recovered(bulkhead))
    assert bulkhead.execute(int) == 0


def test_a_call_given_up_before_it_began_never_begins() -> None:
    bulkhead, called = make(1, 0), []
    started = threading.Event()
    # The only thread is busy with something that has no permit.
    work = Work()
    bulkhead._threads.submit(work)
    with deadline(0.01), pytest.raises(DeadlineExceeded):
        bulkhead.execute(lambda: called.append(started.set()))
    assert bulkhead.gauges() == {
        "available_concurrent_calls": 1,
        "max_allowed_concurrent_calls": 1,
        "queue_depth": 0,
        "queue_capacity": 0,
        "abandoned": 0,
    }
    work.go_on.set()
    assert bulkhead.execute(int) == 0
    assert called == []


def test_without_a_thread_to_be_had_nothing_is_lost(monkeypatch) -> None:
    bulkhead, called = make(1, 0), []
    starting = threading.Thread.start

    def fail(self) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        bulkhead.execute(called.append, 1)
    monkeypatch.setattr(threading.Thread, "start", starting)
    # The pool has kept the work it could not begin.
    assert bulkhead.execute(int) == 0
    assert called == []
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


async def test_coroutine_functions_are_refused() -> None:
    bulkhead = make(1)

    async def function() -> None:
        pass

    with pytest.raises(AsyncMisuse, match="plain function"):
        bulkhead.awrap(function)
    for call in (lambda: bulkhead.execute(function), bulkhead.wrap(function), bulkhead.wrap(lambda: function())):
        with pytest.raises(AsyncMisuse):
            call()
    with pytest.raises(AsyncMisuse):
        await bulkhead.aexecute(lambda: function())
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


async def test_resizing_starts_and_stops_threads() -> None:
    bulkhead = make(1, PATIENT, max_queue=3)
    works = [Work() for _ in range(3)]
    tasks = [asyncio.create_task(bulkhead.aexecute(work)) for work in works]
    while bulkhead.gauges()["queue_depth"] < 2:
        await asyncio.sleep(0)
    bulkhead.resize(3)
    while not all(work.begun.is_set() for work in works):
        await asyncio.sleep(0)
    bulkhead.resize(2)
    for work in works:
        work.go_on.set()
    assert await asyncio.gather(*tasks) == ["result"] * 3
    assert bulkhead.gauges()["available_concurrent_calls"] == 2
    bulkhead.close()
    assert await bulkhead.aexecute(int) == 0
    with pytest.raises(InvalidValue):
        bulkhead.resize(-1)


def test_a_policy_runs_its_call_in_the_threads() -> None:
    bulkhead = make(1)
    policy = Policy(bulkhead, registry=Registry())
    assert policy.execute(lambda: threading.current_thread().name).startswith("perfloop-bulkhead")
    assert asyncio.run(policy.awrap(lambda: threading.current_thread().name)()).startswith("perfloop-bulkhead")


def test_a_forked_child_has_threads_of_its_own(monkeypatch) -> None:
    bulkhead, work = make(1, 0, call_timeout=0.01), Work()
    impatient(bulkhead, work, monkeypatch)
    with pytest.raises(CallTimedOut):
        bulkhead.execute(work)
    bulkhead._call_timeout = PATIENT
    child = os.fork()
    if child == 0:
        try:
            fine = bulkhead.gauges()["abandoned"] == 0 and bulkhead.wrap(os.getpid)() == os.getpid()
            os._exit(0 if fine else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    work.go_on.set()
    asyncio.run(recovered(bulkhead))
