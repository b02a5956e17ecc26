"""An adaptive limit counts what is in flight, tells its algorithm, and rejects at once."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from perfloop.exceptions import BulkheadFull, InvalidValue
from perfloop.resilience import FAILURE, IGNORED, SUCCESS
from perfloop.resilience.adaptive_limit import AdaptiveLimit
from perfloop.resilience.aimd import Aimd
from perfloop.telemetry import Registry
from perfloop.testing import FakeClock


class Told:
    """An algorithm that notes what it is told."""

    def __init__(self, limit: int = 2) -> None:
        self.limit = limit
        self.updates = []

    def update(self, now, rtt, inflight, dropped) -> None:
        self.updates.append((now, rtt, inflight, dropped))

    def describe(self):
        return {"limit": self.limit}


def a_limit(algorithm=None, **settings) -> AdaptiveLimit:
    return AdaptiveLimit(algorithm or Told(), registry=Registry(), **settings)


def test_it_lets_in_as_many_as_the_limit_and_rejects_the_next():
    limit = a_limit()
    tokens = [limit.try_acquire(), limit.try_acquire()]
    events = []
    limit.on_event(lambda event: events.append(event.event))
    with pytest.raises(BulkheadFull):
        limit.try_acquire()
    limit.release(tokens[0], SUCCESS, 0.1)
    limit.try_acquire()
    assert limit.counts() == {"successful": 1, "failed": 0, "ignored": 0, "not_permitted": 1}
    assert limit.gauges() == {"limit": 2, "in_flight": 2}
    assert events == ["not_permitted"]


def test_the_algorithm_hears_of_what_ended_but_not_of_what_says_nothing():
    told, clock = Told(), FakeClock(10)
    limit = a_limit(told, clock=clock)
    for outcome in (SUCCESS, FAILURE, IGNORED):
        limit.release(limit.try_acquire(), outcome, 0.5)
    assert told.updates == [(10, 0.5, 1, False), (10, 0.5, 1, True)]


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_interrupted_frees_its_place_and_says_nothing(error):
    told = Told(1)
    limit = a_limit(told)

    def interrupted():
        raise error

    with pytest.raises(error):
        limit.execute(interrupted)
    assert limit.gauges()["in_flight"] == 0
    assert told.updates == []


async def test_cancelled_calls_free_their_places():
    limit = a_limit(Told(3))
    tasks = [asyncio.create_task(limit.aexecute(asyncio.sleep, 60)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BulkheadFull):
        await limit.aexecute(asyncio.sleep, 0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert limit.gauges()["in_flight"] == 0


def test_threads_and_loops_share_one_limit():
    limit = a_limit(Told(4))
    most, inside, lock = [0], [0], threading.Lock()

    def work():
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        with lock:
            inside[0] -= 1

    async def awork():
        work()

    def in_threads():
        for _ in range(300):
            try:
                limit.execute(work)
            except BulkheadFull:
                pass

    def in_a_loop():
        async def many():
            for _ in range(300):
                try:
                    await limit.aexecute(awork)
                except BulkheadFull:
                    pass

        asyncio.run(many())

    threads = [threading.Thread(target=target) for target in (in_threads, in_a_loop) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 4
    assert sum(limit.counts().values()) == 2400
    assert limit.gauges()["in_flight"] == 0


def test_a_fork_begins_with_nothing_in_flight():
    limit = a_limit(Told(1))
    token = limit.try_acquire()
    child = os.fork()
    if child == 0:
        try:
            fine = limit.gauges()["in_flight"] == 0
            limit.release(token, SUCCESS, 0)
            fine = fine and limit.execute(int) == 0 and limit.gauges()["in_flight"] == 0
            os._exit(0 if fine else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert limit.gauges()["in_flight"] == 1


def test_it_describes_its_algorithm():
    assert str(AdaptiveLimit(Aimd(target=0.5), name="db", registry=Registry()).describe()) == (
        "adaptive_limit 'db': algorithm=Aimd, target=0.5, initial=20, minimum=4, maximum=1000, backoff=0.9"
    )
    assert a_limit().describe().settings["algorithm"] == "Told"
    assert AdaptiveLimit(registry=Registry()).describe().settings["algorithm"] == "Gradient"


@pytest.mark.parametrize("algorithm", [20, "gradient", object(), Aimd])
def test_bad_algorithms(algorithm):
    with pytest.raises(InvalidValue):
        AdaptiveLimit(algorithm, registry=Registry())


def test_an_algorithm_that_raises_keeps_no_place() -> None:
    class Broken:
        limit = 2

        def update(self, *_: object) -> None:
            raise ZeroDivisionError

        def describe(self) -> dict[str, float]:
            return {}

    part = AdaptiveLimit(Broken(), registry=Registry())
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            part.execute(int)
    assert part.gauges()["in_flight"] == 0
