"""Watching a service that is played: what is published when."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import ServiceDied, ServiceLost, ServiceNotReady
from perfloop.live.watching import Readings, recorder_of_this_machine, watch
from perfloop.monitoring import Observations

if TYPE_CHECKING:
    from perfloop.monitoring import Objective
    from perfloop.monitoring.live import LiveState


class Played:
    """A service as `watch` sees one."""

    notes = ("a note",)

    def __init__(self, *, starts: Any = None, dies_after: int = 1_000_000) -> None:
        self.starts = starts
        self.lives = dies_after
        self.stopped = 0

    async def __aenter__(self) -> Played:
        if isinstance(self.starts, Exception):
            raise self.starts
        if self.starts is not None:
            await self.starts.wait()
        return self

    async def stop(self) -> None:
        self.stopped += 1

    def check_alive(self) -> None:
        self.lives -= 1
        if self.lives < 0:
            raise ServiceDied("The service ended while it was needed", output="last words")

    async def take_observations(self) -> Observations:
        return Observations()

    def processes(self) -> list[int]:
        return [os.getpid()]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.live.watching._EVERY", 0.001)


async def watched(service: Played, **more: Any) -> list[LiveState]:
    states: list[LiveState] = []
    stop = more.pop("stop", asyncio.Event())
    recorder = recorder_of_this_machine("a service", None)
    try:
        await watch(service, recorder, stop=stop, publish=states.append, **more)  # type: ignore[arg-type]
    finally:
        assert service.stopped == 1
        assert states[-1].status == "ended"
    return states


async def test_it_says_what_the_service_does_until_its_time_is_over() -> None:
    began: list[int] = []
    states = await watched(Played(), seconds=0.05, started=lambda: began.append(1))
    assert began == [1]
    assert [state.status for state in states][-2:] == ["idle", "ended"]
    used = states[-1].usage
    assert used is not None
    assert used.processes == 1
    assert states[-1].notes == ["a note"]


async def test_targets_are_judged_and_what_is_told_of_it_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.live.watching._JUDGED_EVERY", 0.0)
    judged: list[list[Objective]] = []
    states = await watched(Played(), seconds=0.05, judged=judged.append, notes=lambda: ["a word of the alerts"])
    assert {each.name for each in judged[-1]} >= {"latency_p99", "cpu"}
    assert {budget.target for budget in states[-1].budgets} >= {"latency_p99", "cpu"}
    assert states[-1].notes == ["a note", "a word of the alerts"]


def test_resources_are_sampled_now_and_then_and_begin_anew_after_a_gap() -> None:
    recorder = recorder_of_this_machine("a service", None)
    readings = Readings(recorder)
    pids = [os.getpid(), 2**22 + 1]  # the other one has ended

    def resources(now: float) -> list[str]:
        readings.read(pids, now)
        return [use.resource for use in recorder.state(now).resources]

    now = time.monotonic()
    assert resources(now) == []
    assert resources(now + 1.0) == []
    found = resources(now + 2.5)
    assert {"processors", "memory", "disk", "network", "descriptors"} <= set(found)
    assert resources(now + 3.0) == found
    assert resources(now + 60.0) == []


async def test_it_says_that_the_service_is_starting_and_can_be_told_to_stop_then() -> None:
    stop = asyncio.Event()
    watching = asyncio.create_task(watched(Played(starts=asyncio.Event()), stop=stop))
    await asyncio.sleep(0.01)
    stop.set()
    assert {state.status for state in await watching} == {"starting", "ended"}


async def test_a_service_that_ends_is_lost() -> None:
    with pytest.raises(ServiceLost) as caught:
        await watched(Played(dies_after=3))
    assert caught.value.output == "last words"


async def test_a_service_that_does_not_start_is_told_as_it_is() -> None:
    with pytest.raises(ServiceNotReady):
        await watched(Played(starts=ServiceNotReady("not ready")))


async def test_being_cancelled_stops_the_service() -> None:
    for starts in (None, asyncio.Event()):
        service = Played(starts=starts)
        watching = asyncio.create_task(watched(service))
        await asyncio.sleep(0.01)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert service.stopped == 1
