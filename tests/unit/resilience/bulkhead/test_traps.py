"""The traps of bulkheads: each is sprung for the naive twin, and not for ours."""

from __future__ import annotations

import asyncio
import threading

import pytest

from perfloop.exceptions import BulkheadTimedOut, CallTimedOut
from perfloop.resilience import Bulkhead, ThreadPoolBulkhead
from perfloop.telemetry import Registry

from ..naive.bulkhead_leaking_waiter import LeakingWaiter
from ..naive.bulkhead_permit_of_caller import PermitOfCaller


def most_at_once(bulkhead: ThreadPoolBulkhead | PermitOfCaller) -> int:
    """Four calls that outlast their callers, one after the other: how many run beside each other."""
    inside, go_on, most = [], threading.Event(), 0

    def work() -> None:
        inside.append(1)
        go_on.wait(60)

    try:
        for _ in range(4):
            with pytest.raises((TimeoutError, CallTimedOut, BulkheadTimedOut)):
                bulkhead.execute(work)
            most = max(most, len(inside))
    finally:
        go_on.set()
    return most


def test_trap_9_work_that_outlives_its_caller_stays_counted() -> None:
    bulkhead = ThreadPoolBulkhead(1, timeout=0.1, call_timeout=0.1, registry=Registry())
    assert most_at_once(bulkhead) == 1


def test_trap_9_the_naive_twin_runs_several() -> None:
    assert most_at_once(PermitOfCaller(1, 0.1)) > 1


async def served_after_cancellations(bulkhead: Bulkhead | LeakingWaiter, waiting) -> bool:
    """One runs, three wait, and each of those is cancelled in the moment of its grant: is one left?"""
    go_on = asyncio.Event()

    async def nothing() -> None:
        pass

    first = asyncio.create_task(bulkhead.aexecute(go_on.wait))
    await asyncio.sleep(0)
    others = [asyncio.create_task(bulkhead.aexecute(nothing)) for _ in range(3)]
    while waiting() < 3:
        await asyncio.sleep(0)
    go_on.set()
    while waiting() == 3:
        await asyncio.sleep(0)
    for other in others:
        other.cancel()
    await asyncio.wait([first, *others])
    last = asyncio.create_task(bulkhead.aexecute(nothing))
    for _ in range(10):
        await asyncio.sleep(0)
    served = last.done()
    last.cancel()
    return served


async def test_trap_10_a_cancelled_waiter_takes_no_permit_along() -> None:
    bulkhead = Bulkhead(1, 60.0, max_queue=3, registry=Registry())
    assert await served_after_cancellations(bulkhead, lambda: bulkhead.gauges()["queue_depth"])
    assert bulkhead.gauges()["available_concurrent_calls"] == 1


async def test_trap_10_the_naive_twin_has_none_left() -> None:
    naive = LeakingWaiter(1)
    assert not await served_after_cancellations(naive, lambda: naive.waiting)
