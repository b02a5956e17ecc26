from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import InvalidValue, RateLimited
from perfloop.resilience import RateLimiter, deadline, priority
from perfloop.resilience.rate_limiter import Store, StoreFailed
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock

from ..naive.rate_limiter_lost_reservation import Reserving

if TYPE_CHECKING:
    from perfloop.resilience.rate_limiter import Algorithm


def make(*args, **settings) -> RateLimiter:
    return RateLimiter(*args, registry=Registry(), **settings)


async def nothing() -> None:
    pass


@pytest.fixture
def clock(monkeypatch) -> FakeClock:
    """A clock that sleeping moves, in a thread and in the one task that sleeps."""
    clock = FakeClock()
    turn = asyncio.sleep

    async def sleep(seconds: float) -> None:
        await turn(0)
        clock.advance(seconds)

    monkeypatch.setattr("perfloop.coordination.effects.time.sleep", clock.advance)
    monkeypatch.setattr("perfloop.coordination.effects.asyncio.sleep", sleep)
    return clock


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1, "per": 0}, "per"),
        ({"limit": 1, "algorithm": "leaky"}, "algorithm"),
        ({"limit": 1, "burst": 0}, "burst"),
        ({"limit": 1, "max_wait": -1}, "max_wait"),
        ({"limit": 1, "max_waiting": 0}, "max_waiting"),
        ({"limit": 1, "max_keys": 0}, "max_keys"),
        ({"limit": 1, "key": "tenant"}, "key"),
        ({"limit": 1, "on_store_failure": "ignore"}, "on_store_failure"),
        ({"limit": 1, "local_share": 0, "store": object()}, "local_share"),
        ({"limit": 1, "pause": 0}, "pause"),
    ],
)
def test_settings_out_of_range_are_refused(settings, where) -> None:
    with pytest.raises(InvalidValue) as caught:
        make(**settings)
    assert caught.value.where == where


@pytest.mark.parametrize("algorithm", ["token_bucket", "gcra", "sliding_window"])
def test_a_rejection_says_exactly_when_to_come_back(algorithm) -> None:
    clock = FakeClock()
    limiter = make(2, 1.0, algorithm=algorithm, clock=clock, name="mail")
    errors = []
    for _ in range(50):
        while True:
            try:
                limiter.execute(int)
            except RateLimited as error:
                errors.append(error)
                clock.advance(error.retry_after)
                assert limiter.execute(int) == 0
                break
    assert str(errors[0]) == "More than 2 calls in 1 s (rate_limiter mail)"
    assert len(set(map(id, errors))) == 50
    assert limiter.counts()["failed_acquire"] == 50


def test_a_microsecond_earlier_is_too_early() -> None:
    clock = FakeClock()
    limiter = make(3, 1.0, burst=1, clock=clock)
    limiter.execute(int)
    with pytest.raises(RateLimited) as caught:
        limiter.execute(int)
    clock.advance(caught.value.retry_after - 1e-6)
    with pytest.raises(RateLimited) as caught:
        limiter.execute(int)
    assert caught.value.retry_after == 1e-6


@pytest.mark.parametrize("in_loop", [False, True])
def test_who_may_wait_is_admitted_in_time(clock, in_loop) -> None:
    limiter = make(2, 1.0, max_wait=10.0, clock=clock)
    began = clock.now()
    for _ in range(6):
        asyncio.run(limiter.aexecute(nothing)) if in_loop else limiter.execute(int)
    assert clock.now() - began == pytest.approx(2.0)
    assert limiter.counts() == {"successful_acquire": 6, "failed_acquire": 0, "unlimited": 0}
    assert limiter.gauges() == {"waiting_calls": 0, "keys": 1, "store_lost": False}


@pytest.mark.parametrize("in_loop", [False, True])
def test_who_would_wait_too_long_is_rejected_at_once(clock, in_loop) -> None:
    limiter = make(1, 1.0, max_wait=0.5, clock=clock)
    limiter.execute(int)
    with pytest.raises(RateLimited) as caught:
        asyncio.run(limiter.aexecute(nothing)) if in_loop else limiter.execute(int)
    assert (caught.value.retry_after, clock.now()) == (1.0, 1000.0)
    clock.advance(0.5)
    limiter.execute(int)  # waits the other half
    assert clock.now() == 1001.0


def test_nobody_waits_longer_than_its_deadline(clock) -> None:
    limiter = make(1, 1.0, max_wait=10.0, clock=clock)
    limiter.execute(int)
    with deadline(0.9, clock=clock), pytest.raises(RateLimited):
        limiter.execute(int)
    with deadline(1.1, clock=clock):
        limiter.execute(int)


async def waiting(limiter: RateLimiter, number: int) -> None:
    while limiter.gauges()["waiting_calls"] < number:
        await asyncio.sleep(0)


async def test_waiters_are_served_in_order_and_by_priority(monkeypatch) -> None:
    clock, may_sleep, served = FakeClock(), asyncio.Event(), []

    async def sleep(seconds: float) -> None:
        await may_sleep.wait()
        clock.advance(seconds)

    limiter = make(1, 1.0, max_wait=60.0, clock=clock)
    turn = asyncio.sleep
    monkeypatch.setattr("perfloop.coordination.effects.asyncio.sleep", sleep)

    async def call(name: str) -> None:
        await limiter.aacquire()
        served.append(name)

    await call("at once")
    tasks = []
    for number, name in enumerate(("first", "second", "third", "important")):
        with priority(name == "important"):
            tasks.append(asyncio.create_task(call(name)))
        while limiter.gauges()["waiting_calls"] <= number:
            await turn(0)
    may_sleep.set()
    newcomer = asyncio.create_task(call("newcomer"))
    await asyncio.gather(*tasks, newcomer)
    # The first was at the head of the line already.
    assert served == ["at once", "first", "important", "second", "third", "newcomer"]


async def test_trap_10_a_waiter_that_is_cancelled_takes_no_call_along(clock) -> None:
    limiter = make(1, 1.0, max_wait=60.0, clock=clock)
    await limiter.aexecute(nothing)
    began = clock.now()
    real = asyncio.create_task
    for _ in range(50):
        task = real(limiter.aexecute(nothing))
        await waiting(limiter, 1)
        task.cancel()
        await asyncio.wait((task,))
    assert limiter.gauges()["waiting_calls"] == 0
    await limiter.aexecute(nothing)
    assert clock.now() - began == pytest.approx(1.0)


def test_trap_10_the_naive_twin_makes_the_next_one_wait_for_all_that_were_cancelled() -> None:
    naive = Reserving(1.0)
    assert naive.reserve(0.0) == 0.0
    for _ in range(50):
        naive.reserve(0.0)  # and cancelled while it sleeps
    assert naive.reserve(0.0) == 51.0


async def test_the_head_of_the_line_cancelled_makes_way_for_the_next() -> None:
    clock = FakeClock()
    limiter = make(1, 0.01, max_wait=60.0, clock=clock)
    await limiter.aacquire()
    tasks = []
    for number in range(3):
        tasks.append(asyncio.create_task(limiter.aacquire()))
        await waiting(limiter, number + 1)
    tasks[0].cancel()
    tasks[1].cancel()
    clock.advance(0.01)
    await asyncio.wait(tasks)
    assert tasks[2].result() is True
    assert limiter._lines == {}


async def test_no_more_wait_than_may() -> None:
    limiter = make(1, 60.0, max_wait=600.0, max_waiting=2, clock=FakeClock())
    await limiter.aacquire()
    tasks = []
    for number in range(2):
        tasks.append(asyncio.create_task(limiter.aacquire()))
        await waiting(limiter, number + 1)
    with pytest.raises(RateLimited):
        await limiter.aacquire()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_who_is_behind_others_is_told_of_them() -> None:
    clock = FakeClock()
    limiter = make(1, 10.0, max_wait=25.0, clock=clock)
    await limiter.aacquire()
    tasks = []
    for number in range(2):
        tasks.append(asyncio.create_task(limiter.aacquire()))
        await waiting(limiter, number + 1)
    with pytest.raises(RateLimited) as caught:
        await limiter.aacquire()
    assert caught.value.retry_after == 30.0
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def test_keys_have_their_own_budgets() -> None:
    tenant = contextvars.ContextVar("tenant", default="nobody")
    clock = FakeClock()
    limiter = make(1, 1.0, key=tenant.get, clock=clock)
    limiter.execute(int)
    with pytest.raises(RateLimited):
        limiter.execute(int)
    tenant.set("somebody")
    limiter.execute(int)
    assert limiter.try_acquire("a third") is True
    assert limiter.gauges()["keys"] == 3
    with pytest.raises(InvalidValue, match="text as key"):
        limiter.try_acquire(7)  # type: ignore[arg-type]


def test_more_keys_than_may_be_are_told() -> None:
    limiter, events = make(1, 60.0, max_keys=1), []
    limiter.on_event(lambda event: events.append(event.event))
    for number in range(2):
        limiter.acquire(str(number))
    with pytest.raises(RateLimited):
        limiter.acquire("2")
    assert events == ["keys_crowded", "failed_acquire"]


def test_threads_and_event_loops_wait_in_one_line() -> None:
    limiter, served = make(200, 1.0, burst=1, max_wait=60.0), []

    def work() -> None:
        for _ in range(5):
            limiter.acquire()
            served.append(1)

    async def awork() -> None:
        for _ in range(5):
            await limiter.aacquire()
            served.append(1)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    threads += [threading.Thread(target=lambda: asyncio.run(awork()), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(served) == 20
    assert (limiter.gauges()["waiting_calls"], limiter._lines) == (0, {})


def test_a_forked_child_has_nobody_waiting() -> None:
    limiter = make(1, 60.0, max_wait=120.0)
    limiter.acquire()
    thread = threading.Thread(target=limiter.acquire, daemon=True)
    thread.start()
    while not limiter.gauges()["waiting_calls"]:
        os.sched_yield()
    child = os.fork()
    if child == 0:
        try:
            os._exit(int(limiter.gauges()["waiting_calls"]) or len(limiter._lines))
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Broken(Store):
    """Fails while it is told to; else it admits all."""

    fails = True

    async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
        if self.fails:
            raise ConnectionResetError("gone")
        return 0

    async def disconnect(self) -> None:
        pass


@pytest.mark.parametrize(
    ("instead", "admitted", "unlimited"), [("fail_open", 8, 8), ("fail_closed", 0, 0), ("local_share", 3, 0)]
)
def test_without_the_store_what_was_stated_holds(instead, admitted, unlimited, caplog) -> None:
    clock, store = FakeClock(), Broken(60.0)
    limiter = make(6, 60.0, store=store, on_store_failure=instead, local_share=0.5, pause=5.0, clock=clock, name="mail")
    events = []
    limiter.on_event(lambda event: events.append((event.event, event.attributes.get("error"))))
    served, retry_after = 0, set()
    for _ in range(8):
        try:
            served += limiter.acquire()
        except RateLimited as error:
            retry_after.add(error.retry_after)
    assert instead != "fail_closed" or retry_after == {5.0}
    assert (served, limiter.counts()["unlimited"]) == (admitted, unlimited)
    assert [each for each in events if each[0] != "failed_acquire"] == [("store_lost", "ConnectionResetError: gone")]
    assert [record.getMessage() for record in caplog.records] == [
        f"rate_limiter mail: {instead}, for its store is lost: ConnectionResetError: gone"
    ]
    store.fails = False
    clock.advance(5.0)
    assert limiter.acquire()
    assert (events[-1][0], limiter.gauges()["store_lost"]) == ("store_back", False)


async def test_a_store_is_never_asked_by_who_may_not_wait_for_it() -> None:
    store = Broken(60.0)
    limiter = make(1, store=store, on_store_failure="fail_open")
    assert limiter.try_acquire() is None
    assert await limiter.aexecute(nothing) is None
    with pytest.raises(StoreFailed):
        await store.atake("key", limiter.algorithm)
    store.close()


def test_it_says_what_it_is() -> None:
    limiter = make(10, 60.0, algorithm="gcra", burst=3, max_wait=1.0, name="mail", store=Broken(1.0))
    assert str(limiter.describe()) == (
        "rate_limiter 'mail': limit=10, per=60.0, algorithm=gcra, burst=3, max_wait=1.0, store=Broken, "
        "on_store_failure=local_share"
    )


@pytest.mark.parametrize(
    ("name", "key"), [("calls", "\0"), ("calls", "\ud800"), ("calls", "x" * 10_000), ("\ud800", "\0"), ("sha256", "x")]
)
def test_a_key_that_no_store_takes_is_kept_by_its_hash(name, key) -> None:
    """Keys come from callers: one must not have the store count as lost, and with it the limit of everybody."""
    asked = []

    class Keeping(Broken):
        async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
            asked.append(key)
            return 0

    store = Keeping(60.0)
    for limiter, each in ((name, key), (name, key + "!"), ("calls", "plain é")):
        make(6, 60.0, store=store, name=limiter).acquire(each)
    assert [each.startswith("sha256:") and each.isprintable() and len(each) == 71 for each in asked] == [1, 1, 0]
    assert len(set(asked)) == 3


def test_what_is_said_of_a_lost_store_has_no_password_in_it(caplog) -> None:
    class Telling(Broken):
        async def ask(self, key: str, algorithm: Algorithm[Any]) -> int:
            raise OSError("cannot read postgresql://shop:s3cret@db/limits")

    make(6, 60.0, store=Telling(60.0)).acquire()
    assert "cannot read postgresql://" in caplog.text
    assert "s3cret" not in caplog.text


def test_calls_without_a_limit_are_counted_once_and_rejections_say_why() -> None:
    limiter = make(6, 60.0, store=Broken(60.0), on_store_failure="fail_open")
    limiter.acquire()
    limiter.acquire()
    assert limiter.counts() == {"successful_acquire": 0, "failed_acquire": 0, "unlimited": 2}
    closed = make(6, 60.0, store=Broken(60.0), on_store_failure="fail_closed")
    with pytest.raises(RateLimited, match="store of the limit to answer"):
        closed.acquire()
