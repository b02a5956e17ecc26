"""The coordinator against scripted workers."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from perfloop._version import __version__
from perfloop.exceptions import ConfigurationError, UnreachableTarget, WorkerLost
from perfloop.loadtest import LoadOptions
from perfloop.loadtest.distributed import coordinator
from perfloop.loadtest.distributed.coordinator import run_on
from perfloop.loadtest.distributed.messages import (
    Begin,
    Ended,
    Failed,
    Heartbeat,
    Ready,
    Report,
    SecondIncrement,
    Stop,
)
from perfloop.records import Figures, LoadSummary
from perfloop.stats import Histogram

OPTIONS = LoadOptions(url="http://127.0.0.1:9/", rate=10, duration=2)
READY = Ready(perfloop=__version__)


def ended(**others) -> Ended:
    none = Figures()
    summary = LoadSummary(
        requests=1,
        errors=0,
        rate=1.0,
        elapsed_seconds=2.0,
        bytes_received=0,
        bytes_per_second=0.0,
        latency_ms=none,
        service_time_ms=none,
        queue_ms=none,
        send_lag_ms=none,
        generator_cpu_seconds=0.25,
        trustworthy=True,
        **others,
    )
    return Ended(summary=summary, partial=False, abandoned=0, slowest=[], teardown=[])


def report(requests: int = 1) -> Report:
    latency = Histogram([1000] * requests).since(Histogram())
    second = SecondIncrement(second=0, requests=requests, errors=0, bytes_received=0, in_flight=0, latency=latency)
    return Report(elapsed=1.0, requests=requests, statuses={200: requests}, seconds=[second])


class Scripted:
    """A worker that says what its script has, and waits for what it has to hear."""

    clock_error = 0.0

    def __init__(self, name: str, *script: object, clock_offset: float = 0.0) -> None:
        self.name = name
        self.clock_offset = clock_offset
        self.heard: list[object] = []
        self.closed = False
        self.started = False
        self._script = list(script)
        self._news = asyncio.Event()

    async def start(self, plan: bytes) -> None:
        self.started = True

    async def receive(self) -> object:
        step = self._script.pop(0)
        while isinstance(step, type):
            while not any(isinstance(one, step) for one in self.heard):
                self._news.clear()
                await self._news.wait()
            step = self._script.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    def send(self, message: object) -> None:
        self.heard.append(message)
        self._news.set()

    async def close(self) -> None:
        self.closed = True


async def test_none_begins_before_all_are_ready_and_all_at_one_moment() -> None:
    one = Scripted("one", READY, Begin, report(2), ended())
    gate = asyncio.Event()

    class Late(Scripted):
        async def receive(self) -> object:
            if not gate.is_set():
                await gate.wait()
                assert one.heard == []
            return await super().receive()

    two = Late("two", READY, Begin, report(3), ended(), clock_offset=5.0)
    asyncio.get_running_loop().call_later(0.05, gate.set)
    outcome = await run_on([one, two], OPTIONS)
    begins = [next(message.at for message in each.heard if isinstance(message, Begin)) for each in (one, two)]
    assert begins[1] - begins[0] == pytest.approx(5.0)
    assert begins[0] <= time.monotonic() + 1
    assert outcome.summary.requests == 5
    assert outcome.results.statuses == {"200": 5}
    assert outcome.summary.generator_cpu_seconds == 0.5
    assert outcome.summary.trustworthy
    assert not outcome.partial
    assert [(worker.name, worker.requests) for worker in outcome.results.workers] == [("one", 2), ("two", 3)]
    assert one.closed
    assert two.closed


async def test_what_stops_a_worker_before_it_begins_is_raised_with_its_name() -> None:
    failed = Failed(
        error="UnreachableTarget", message="Expected to open", got=None, where="127.0.0.1:9", hint="start it"
    )
    one, two = Scripted("one", READY, Begin), Scripted("two", failed)
    with pytest.raises(UnreachableTarget) as caught:
        await run_on([one, two], OPTIONS)
    assert caught.value.where == "two: 127.0.0.1:9"
    assert caught.value.hint == "start it"
    assert one.heard == []
    assert one.closed
    assert two.closed


async def test_another_version_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at each worker") as caught:
        await run_on([Scripted("old", Ready(perfloop="0.0.1"))], OPTIONS)
    assert (caught.value.got, caught.value.where) == ("0.0.1", "old")


async def test_a_worker_that_dies_before_the_run_ends_it() -> None:
    with pytest.raises(WorkerLost, match="SIGKILL"):
        await run_on([Scripted("one", WorkerLost("it was ended by SIGKILL", where="one"))], OPTIONS)


async def test_the_others_go_on_without_a_lost_worker_and_what_it_told_counts() -> None:
    lost = WorkerLost("it was ended by SIGKILL")
    one = Scripted("one", READY, Begin, report(2), lost)
    two = Scripted("two", READY, Begin, report(3), report(4), ended())
    outcome = await run_on([one, two], OPTIONS)
    assert outcome.summary.requests == 9
    assert outcome.partial
    assert not outcome.summary.trustworthy
    assert outcome.summary.reasons == ["one was lost, last heard of 1.0 s into the run: it was ended by SIGKILL"]
    assert [worker.lost is None for worker in outcome.results.workers] == [False, True]


async def test_all_lost_is_an_outcome_too() -> None:
    outcome = await run_on([Scripted("one", READY, Begin, WorkerLost("gone"))], OPTIONS)
    assert (outcome.summary.requests, outcome.partial) == (0, True)


async def test_what_breaks_a_run_off_is_raised() -> None:
    failed = Failed(error="ConfigurationError", message="Expected more rows")
    one, two = Scripted("one", READY, Begin, failed), Scripted("two", READY, Begin, Stop, ended())
    with pytest.raises(ConfigurationError, match="more rows"):
        await run_on([one, two], OPTIONS)
    assert two.closed


async def test_an_error_of_an_unknown_class_is_still_an_error() -> None:
    with pytest.raises(Exception, match="whatever") as caught:
        await run_on([Scripted("one", Failed(error="__name__", message="whatever"))], OPTIONS)
    assert caught.value.where == "one"


async def test_all_are_told_to_stop() -> None:
    stop = asyncio.Event()
    partial = ended()
    workers = [Scripted(name, READY, Begin, report(), Stop, partial) for name in ("one", "two")]
    asyncio.get_running_loop().call_later(0.05, stop.set)
    await run_on(workers, OPTIONS, stop=stop)
    assert all(any(isinstance(message, Stop) for message in worker.heard) for worker in workers)


async def test_each_workers_doubts_are_named() -> None:
    doubtful = ended(reasons=["the generator sent late"])
    outcome = await run_on([Scripted("one", READY, Begin, report(), doubtful)], OPTIONS)
    assert outcome.summary.reasons == ["one: the generator sent late"]
    assert not outcome.summary.trustworthy


async def test_the_same_doubt_of_many_workers_is_not_told_of_each() -> None:
    workers = [Scripted(f"{number}", READY, Begin, report(), ended(reasons=["sent late"])) for number in range(9)]
    outcome = await run_on(workers, OPTIONS)
    assert outcome.summary.reasons[:6] == [f"{number}: sent late" for number in range(6)]
    assert outcome.summary.reasons[6:] == ["and 3 more like these: the record has them, worker by worker"]
    assert [worker.reasons for worker in outcome.results.workers] == [["sent late"]] * 9


async def test_a_worker_that_is_long_in_opening_hears_that_we_are_there(monkeypatch) -> None:
    monkeypatch.setattr(coordinator, "_PROGRESS_EVERY", 0)
    slow = Scripted("slow", Heartbeat, READY, Begin, ended())
    async with asyncio.timeout(10):
        await run_on([slow], OPTIONS)


async def test_its_own_garbage_is_collected_in_a_long_run() -> None:
    enabled = []

    class Looking(Scripted):
        async def receive(self) -> object:
            enabled.append(gc.isenabled())
            return await super().receive()

    gc.disable()
    try:
        await run_on([Looking("one", READY, Begin, ended())], OPTIONS)
        assert not gc.isenabled()
    finally:
        gc.enable()
    assert set(enabled) == {True}


async def test_cancelled_it_closes_every_worker() -> None:
    workers = [Scripted("one", READY, Begin, Stop), Scripted("two", READY, Begin, Stop)]
    running = asyncio.ensure_future(run_on(workers, OPTIONS))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(worker.closed for worker in workers)
