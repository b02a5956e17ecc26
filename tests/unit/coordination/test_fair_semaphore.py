"""Threads and the tasks of several event loops wait in one line, and whoever leaves it takes nothing along."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.coordination import FairSemaphore, QueueFull, WaitTimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENT = 60.0


def until(condition: Callable[[], bool]) -> None:
    """Let other threads go on until it holds; the test's own timeout is the limit."""
    while not condition():
        os.sched_yield()


async def auntil(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


class Holder(threading.Thread):
    """A thread that gets a permit, notes its name, and gives it back when told."""

    def __init__(self, semaphore: FairSemaphore, served: list[str], name: str, priority: int = 0) -> None:
        super().__init__(daemon=True)
        self.semaphore, self.served, self.label, self.priority = semaphore, served, name, priority
        self.may_go = threading.Event()
        waiting = semaphore.waiting
        self.start()
        until(lambda: semaphore.waiting > waiting)

    def run(self) -> None:
        token = self.semaphore.acquire(PATIENT, self.priority)
        self.served.append(self.label)
        self.may_go.wait(PATIENT)
        self.semaphore.release(token)


def test_threads_are_served_in_order_and_by_priority() -> None:
    semaphore, served = FairSemaphore(1, 10), []
    token = semaphore.try_acquire()
    holders = [Holder(semaphore, served, name) for name in ("first", "second")]
    holders.append(Holder(semaphore, served, "important", priority=1))
    for holder in holders:
        holder.may_go.set()
    semaphore.release(token)
    for holder in holders:
        holder.join(PATIENT)
    assert served == ["important", "first", "second"]
    assert (semaphore.used, semaphore.waiting) == (0, 0)


def test_tasks_of_two_event_loops_and_a_thread_wait_in_one_line() -> None:
    semaphore, served = FairSemaphore(1, 10), []
    token = semaphore.try_acquire()

    async def hold(name: str) -> None:
        mine = await semaphore.aacquire(PATIENT)
        served.append(name)
        await asyncio.sleep(0)
        semaphore.release(mine)

    threads = []
    for number, name in enumerate(("loop 1", "thread", "loop 2")):
        if name == "thread":
            holder = Holder(semaphore, served, name)
            holder.may_go.set()
            threads.append(holder)
        else:
            threads.append(threading.Thread(target=lambda name=name: asyncio.run(hold(name)), daemon=True))
            threads[-1].start()
        until(lambda number=number: semaphore.waiting == number + 1)
    semaphore.release(token)
    for thread in threads:
        thread.join(PATIENT)
    assert served == ["loop 1", "thread", "loop 2"]
    assert (semaphore.used, semaphore.waiting) == (0, 0)


def test_who_finds_the_queue_full_or_waits_too_long_is_told_so() -> None:
    semaphore = FairSemaphore(1, 0)
    token = semaphore.try_acquire()
    with pytest.raises(QueueFull):
        semaphore.acquire(PATIENT)
    with pytest.raises(QueueFull):
        asyncio.run(semaphore.aacquire(PATIENT))
    semaphore = FairSemaphore(1, 1)
    token = semaphore.try_acquire()
    with pytest.raises(WaitTimedOut):
        semaphore.acquire(0.01)
    with pytest.raises(WaitTimedOut):
        asyncio.run(semaphore.aacquire(0.01))
    assert (semaphore.used, semaphore.waiting) == (1, 0)
    semaphore.release(token)
    assert semaphore.try_acquire() is not None


def test_somebody_displaced_hears_it_in_its_thread() -> None:
    semaphore, errors = FairSemaphore(1, 1), []
    token = semaphore.try_acquire()

    def low() -> None:
        try:
            semaphore.acquire(PATIENT)
        except QueueFull as error:
            errors.append(error)

    thread = threading.Thread(target=low, daemon=True)
    thread.start()
    until(lambda: semaphore.waiting == 1)
    important = once(semaphore, priority=1)
    thread.join(PATIENT)
    assert len(errors) == 1
    semaphore.release(token)
    important.join(PATIENT)
    assert (semaphore.used, semaphore.waiting) == (0, 0)


def once(semaphore: FairSemaphore, priority: int) -> threading.Thread:
    def hold() -> None:
        semaphore.release(semaphore.acquire(PATIENT, priority))

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("timeout", [PATIENT, math.inf])
async def test_a_task_cancelled_in_the_queue_leaves_it(timeout: float) -> None:
    semaphore = FairSemaphore(1, 10)
    token = semaphore.try_acquire()
    task = asyncio.create_task(semaphore.aacquire(timeout))
    await auntil(lambda: semaphore.waiting == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert semaphore.waiting == 0
    semaphore.release(token)
    assert semaphore.used == 0


@pytest.mark.parametrize("cancelled_first", [False, True])
async def test_a_task_cancelled_in_the_moment_of_its_grant_passes_it_on(cancelled_first: bool) -> None:
    semaphore = FairSemaphore(1, 10)
    token = semaphore.try_acquire()
    task, next_task = (asyncio.create_task(semaphore.aacquire(PATIENT)) for _ in range(2))
    await auntil(lambda: semaphore.waiting == 2)
    steps = [task.cancel, lambda: semaphore.release(token)]
    for step in steps if cancelled_first else reversed(steps):
        step()
    with pytest.raises(asyncio.CancelledError):
        await task
    semaphore.release(await next_task)
    assert (semaphore.used, semaphore.waiting) == (0, 0)


async def test_of_many_cancelled_in_the_moment_of_their_grant_the_last_hands_it_to_who_is_left() -> None:
    semaphore = FairSemaphore(1, 2_000)
    token = semaphore.try_acquire()
    tasks = [asyncio.create_task(semaphore.aacquire(PATIENT)) for _ in range(2_000)]
    await auntil(lambda: semaphore.waiting == 2_000)
    semaphore.release(token)
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.wait(tasks)
    semaphore.release(tasks[-1].result())
    assert (semaphore.used, semaphore.waiting) == (0, 0)


async def test_a_thread_interrupted_while_it_waits_passes_its_grant_on(monkeypatch) -> None:
    semaphore = FairSemaphore(1, 10)
    token = semaphore.try_acquire()

    class Interrupted:
        """A lock whose waiter is granted, and interrupted before it sees it."""

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is not None:
                semaphore.release(token)
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    monkeypatch.setattr("perfloop.coordination.fair_semaphore.Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        semaphore.acquire(PATIENT)
    assert (semaphore.used, semaphore.waiting) == (0, 0)
    assert semaphore.try_acquire() is not None


async def test_a_waiter_late_in_the_moment_of_its_grant_takes_it(monkeypatch) -> None:
    semaphore = FairSemaphore(1, 10)
    token = semaphore.try_acquire()

    class Late:
        """A lock that has waited for long enough, and whose waiter is granted before it can say so."""

        def acquire(self, timeout: float | None = None) -> bool:
            if timeout is not None:
                semaphore.release(token)
            return timeout is None

        def release(self) -> None:
            pass

    monkeypatch.setattr("perfloop.coordination.fair_semaphore.Lock", Late)
    semaphore.release(semaphore.acquire(PATIENT))
    assert (semaphore.used, semaphore.waiting) == (0, 0)


def test_what_the_tasks_of_a_closed_event_loop_are_granted_goes_to_the_next() -> None:
    semaphore = FairSemaphore(1, 2_000)
    token = semaphore.try_acquire()
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(semaphore.aacquire(PATIENT)) for _ in range(1_500)]
    for task in tasks:
        task._log_destroy_pending = False  # it is what this test is about
    loop.run_until_complete(auntil(lambda: semaphore.waiting == 1_500))
    loop.close()
    thread = once(semaphore, priority=-1)
    until(lambda: semaphore.waiting == 1_501)
    semaphore.release(token)
    thread.join(PATIENT)
    assert (semaphore.used, semaphore.waiting) == (0, 0)
    del tasks, task, loop
    gc.collect()
    assert (semaphore.used, semaphore.waiting) == (0, 0)


async def test_a_higher_limit_wakes_who_waits() -> None:
    semaphore = FairSemaphore(1, 10)
    tokens = [semaphore.try_acquire()]
    tasks = [asyncio.create_task(semaphore.aacquire(PATIENT)) for _ in range(3)]
    await auntil(lambda: semaphore.waiting == 3)
    semaphore.resize(4)
    tokens += await asyncio.gather(*tasks)
    assert semaphore.used == 4
    for token in tokens:
        semaphore.release(token)
    assert semaphore.used == 0


def test_a_forked_child_begins_with_all_permits() -> None:
    semaphore = FairSemaphore(1, 10)
    token = semaphore.try_acquire()
    # Another thread of the parent is inside at the moment of the fork.
    inside, may_leave = threading.Event(), threading.Event()

    def linger() -> None:
        with semaphore._lock:
            inside.set()
            may_leave.wait(PATIENT)

    thread = threading.Thread(target=linger, daemon=True)
    thread.start()
    inside.wait(PATIENT)
    child = os.fork()
    if child == 0:
        try:
            semaphore.release(token)
            mine = semaphore.acquire(PATIENT)
            fine = semaphore.try_acquire() is None
            semaphore.release(mine)
            os._exit(0 if fine and semaphore.used == 0 else 1)
        finally:
            os._exit(2)
    may_leave.set()
    thread.join(PATIENT)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert semaphore.used == 1


def test_eight_threads_never_have_more_than_the_limit_and_lose_nothing() -> None:
    semaphore, inside, most = FairSemaphore(3, 8), [], []

    def work() -> None:
        for _ in range(300):
            token = semaphore.try_acquire() or semaphore.acquire(PATIENT)
            inside.append(token)
            most.append(len(inside))
            inside.pop()
            semaphore.release(token)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENT)
    assert len(most) == 2_400
    assert max(most) <= 3
    assert (semaphore.used, semaphore.waiting) == (0, 0)
