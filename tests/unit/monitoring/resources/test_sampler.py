from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.monitoring.resources import ResourceMonitor, Use
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    time = 100.0

    def now(self) -> float:
        return self.time


class Fake:
    def __init__(self, registry: Registry) -> None:
        self.calls: list[object] = []
        self.sampled = threading.Event()

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def sample(self, elapsed: float) -> list[Use]:
        self.calls.append(elapsed)
        self.sampled.set()
        return [Use(resource="fake", utilisation=0.5)]


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "perfloop-resources"]


def monitor(*kinds: Callable[[Registry], Fake], interval: float = 3600) -> tuple[ResourceMonitor, list[Fake], Clock]:
    made: list[Fake] = []
    clock = Clock()

    def keep(kind: Callable[[Registry], Fake]) -> Callable[[Registry], Fake]:
        return lambda registry: made.append(kind(registry)) or made[-1]  # type: ignore[func-returns-value]

    found = ResourceMonitor(Registry(), interval=interval, kinds=[keep(kind) for kind in kinds], clock=clock)
    return found, made, clock


def test_it_starts_and_stops_as_often_as_one_likes() -> None:
    watching, [fake], clock = monitor(Fake)
    watching.stop()
    for _ in range(2):
        watching.start()
        watching.start()
        assert len(threads()) == 1
        clock.time += 5
        assert watching.sample() == watching.uses() == [Use(resource="fake", utilisation=0.5)]
        watching.stop()
        watching.stop()
        assert threads() == []
    assert fake.calls == ["start", 5.0, "stop"] * 2


def test_it_samples_by_itself() -> None:
    watching, [fake], _ = monitor(Fake, interval=0.001)
    with watching:
        assert fake.sampled.wait(30)
    assert threads() == []


def test_a_kind_that_fails_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Sampling(Fake):
        def sample(self, elapsed: float) -> list[Use]:
            raise OSError("no such file")

    class Starting(Fake):
        def start(self) -> None:
            raise OSError("no such system")

    class Stopping(Fake):
        def stop(self) -> None:
            raise OSError("still here")

    watching, fakes, _ = monitor(Sampling, Starting, Stopping, Fake)
    with watching:
        for _ in range(3):
            assert len(watching.sample()) == 2
    assert fakes[1].calls == [], "what did not start is not sampled"
    assert fakes[3].calls[-1] == "stop"
    assert sorted(record.message for record in caplog.records) == [
        "resources: Sampling cannot be sampled: OSError: no such file",
        "resources: Starting cannot be sampled: OSError: no such system",
        "resources: Stopping cannot be sampled: OSError: still here",
    ]


def test_a_kind_may_stop_its_monitor() -> None:
    class Ending(Fake):
        def sample(self, elapsed: float) -> list[Use]:
            watching.stop()
            return super().sample(elapsed)

    watching, [fake], _ = monitor(Ending, interval=0.001)
    watching.start()
    assert fake.sampled.wait(30)
    watching.stop()


def test_a_clock_that_goes_back_is_survived() -> None:
    clock = Clock()
    with ResourceMonitor(Registry(), interval=3600, clock=clock) as watching:
        for step in (-50.0, 0.0, 1e9):
            clock.time += step
            uses = watching.sample()
            assert uses
            assert all(0 <= use.utilisation <= 1 for use in uses if use.utilisation is not None)


def test_a_fork_goes_on_from_zero() -> None:
    watching, [fake], _ = monitor(Fake, interval=0.001)
    with watching:
        assert fake.sampled.wait(30)
        child = os.fork()
        if not child:
            status = 1
            try:
                fake.sampled = threading.Event()
                if fake.sampled.wait(30) and len(threads()) == 1:
                    watching.stop()
                    status = 0 if threads() == [] else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0


def test_one_that_has_stopped_stays_so_in_a_fork() -> None:
    watching, _, _ = monitor(Fake)
    watching.start()
    watching.stop()
    child = os.fork()
    if not child:
        os._exit(len(threads()))
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("interval", [0, -1, float("nan")])
def test_a_useless_interval_is_refused(interval: float) -> None:
    with pytest.raises(InvalidValue, match="Expected an interval above 0 seconds"):
        ResourceMonitor(Registry(), interval=interval)
