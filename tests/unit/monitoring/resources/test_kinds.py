"""Each kind of resource, told what the system says."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.monitoring.resources import KINDS
from perfloop.monitoring.resources.cgroup import Cgroup
from perfloop.monitoring.resources.cpu import Cpu, CpuReading, read_cpu, utilisation
from perfloop.monitoring.resources.descriptors import DescriptorReading, Descriptors, read_descriptors
from perfloop.monitoring.resources.disk import Disk, DiskReading, busiest, read_disk
from perfloop.monitoring.resources.garbage import Garbage
from perfloop.monitoring.resources.loop_lag import LoopLag
from perfloop.monitoring.resources.memory import Memory, MemoryReading, read_memory
from perfloop.monitoring.resources.network import Network, NetworkReading, read_network
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator


def values(registry: Registry) -> dict[str, Any]:
    found = {}
    for family in registry.collect():
        for series in family.series:
            found["/".join((family.name, *series.labels))] = getattr(series.value, "count", series.value)
    return found


def cpu(**more: Any) -> CpuReading:
    first: dict[str, Any] = {
        "user": 10.0, "system": 5.0, "children": 3.0, "limit": 2.0, "group": None, "throttled": 1.0, "stalled": None,
        "busy": 100.0, "total": 1000.0,
    }  # fmt: skip
    return CpuReading(**{**first, **more})


@pytest.fixture
def registry() -> Registry:
    return Registry()


def in_turn(*readings: Any) -> Iterator[Any]:
    return iter(readings)


def test_processors(registry: Registry) -> None:
    readings = in_turn(cpu(), cpu(user=11.0, system=5.5, children=3.25, throttled=2.0, busy=110.0, total=1020.0))
    kind = Cpu(registry, lambda: next(readings))
    kind.start()
    [use] = kind.sample(10.0)
    assert (use.utilisation, use.saturation) == (0.5, None)
    assert values(registry) == {
        "process.cpu.time/user": 1.0,
        "process.cpu.time/system": 0.5,
        "process.children.cpu.time": 0.25,
        "container.cpu.limit": 2.0,
        "container.cpu.throttled": 0.1,
        "system.cpu.utilization": 0.5,
    }


@pytest.mark.parametrize(
    ("before", "after", "elapsed", "expected"),
    [
        (cpu(), cpu(busy=200.0, total=1400.0), 10.0, 0.25),
        (cpu(group=1.0), cpu(group=6.0), 5.0, 0.5),
        (cpu(group=1.0), cpu(group=60.0), 5.0, 1.0),
        (cpu(), cpu(), 5.0, None),
        (cpu(group=1.0), cpu(group=2.0), 0.0, None),
        (cpu(busy=200.0), cpu(busy=100.0, total=1100.0), 1.0, 0.0),
    ],
    ids=["machine", "quota", "over the quota", "no time passed", "clock stood", "counter went back"],
)
def test_processors_in_use(before: CpuReading, after: CpuReading, elapsed: float, expected: float | None) -> None:
    assert utilisation(before, after, elapsed) == expected


def test_a_quota_is_a_resource_of_its_own(registry: Registry) -> None:
    readings = in_turn(cpu(group=1.0, throttled=1.0), cpu(group=3.0, throttled=1.5))
    kind = Cpu(registry, lambda: next(readings))
    kind.start()
    _, use = kind.sample(2.0)
    assert (use.resource, use.utilisation, use.saturation, use.saturation_unit) == ("processor quota", 0.5, 0.25, "s")


def test_threads_that_wait_are_pressure(registry: Registry) -> None:
    readings = in_turn(cpu(stalled=1.0), cpu(stalled=1.5))
    kind = Cpu(registry, lambda: next(readings))
    kind.start()
    [use] = kind.sample(2.0)
    assert (use.saturation, use.saturation_is) == (0.25, "share of time threads waited for a processor")


def test_children_that_ended_unseen_take_nothing_away(registry: Registry) -> None:
    readings = in_turn(cpu(children=9.0), cpu(children=1.0))
    kind = Cpu(registry, lambda: next(readings))
    kind.start()
    kind.sample(1.0)
    assert values(registry)["process.children.cpu.time"] == 0


def test_memory(registry: Registry) -> None:
    readings = in_turn(
        *[MemoryReading(100, 1000, 250, stalled, kills) for stalled, kills in ((1.0, 4), (1.5, 6), (2, 6))]
    )
    asked: list[int] = []
    kind = Memory(registry, lambda: next(readings), lambda: asked.append(1) or 60)  # type: ignore[func-returns-value]
    kind.start()
    assert values(registry)["container.memory.limit"] == 1000, "a scrape before the first sample reads no limit of 0"
    [use] = kind.sample(5.0)
    assert (use.utilisation, use.saturation, use.errors) == (0.25, 0.1, 2)
    assert values(registry) == {
        "process.memory.usage": 100,
        "process.memory.pss": 60,
        "container.memory.limit": 1000,
        "container.memory.usage": 250,
    }
    kind.sample(5.0)
    assert len(asked) == 1, "the dear one is not asked for each time"


def test_disks(registry: Registry) -> None:
    readings = in_turn(DiskReading(10, 20, {"a": 1.0}, None), DiskReading(110, 20, {"a": 3.0, "new": 99.0}, None))
    kind = Disk(registry, lambda: next(readings))
    kind.start()
    [use] = kind.sample(4.0)
    assert (use.utilisation, use.saturation) == (0.5, None)
    assert values(registry)["process.disk.io/read"] == 100
    assert values(registry)["system.disk.utilization"] == 0.5


def test_where_no_disk_is_told_nothing_is_claimed(registry: Registry) -> None:
    kind = Disk(registry, lambda: DiskReading(None, None, {}, None))
    kind.start()
    assert kind.sample(1.0)[0].utilisation is None
    assert busiest({"a": 5.0}, {"a": 4.0}, 1.0) == 0.0
    assert busiest({"a": 1.0}, {"a": 9.0}, 2.0) == 1.0
    assert busiest({"a": 1.0}, {"a": 9.0}, 0.0) is None


def test_network(registry: Registry) -> None:
    readings = in_turn(NetworkReading(0, 0, 5, 0, 1000.0), NetworkReading(1000, 4000, 7, 10, 1000.0))
    kind = Network(registry, lambda: next(readings))
    kind.start()
    [use] = kind.sample(10.0)
    assert (use.utilisation, use.saturation, use.errors) == (0.4, 1.0, 2)
    assert values(registry) == {"system.network.throughput/receive": 100, "system.network.throughput/transmit": 400}


def test_descriptors_and_threads(registry: Registry) -> None:
    [use] = Descriptors(registry, lambda: DescriptorReading(50, 200, 7)).sample(1.0)
    assert use.utilisation == 0.25
    assert values(registry)["process.thread.count"] == 7
    assert Descriptors(Registry(), lambda: DescriptorReading(50, None, 7)).sample(1.0)[0].utilisation is None


def test_garbage(registry: Registry) -> None:
    kind = Garbage(registry)
    kind.start()
    kind.start()
    try:
        cycle: list[Any] = []
        cycle.append(cycle)
        del cycle
        gc.collect()
        [use] = kind.sample(1.0)
    finally:
        kind.stop()
        kind.stop()
    assert kind._on_collection not in gc.callbacks
    found = values(registry)
    assert found["cpython.gc.collections/2"] >= 1
    assert found["cpython.gc.pause"] >= 1
    assert found["cpython.gc.collected_objects"] >= 1
    assert found["cpython.allocated_blocks"] > 1000
    assert use.utilisation is not None
    assert 0 < use.utilisation <= 1
    gc.collect()
    before = found["cpython.gc.pause"]
    kind.sample(1.0)
    assert values(registry)["cpython.gc.pause"] == before, "it stopped"


async def test_a_loop_that_is_held_is_late(registry: Registry) -> None:
    kind = LoopLag(registry)
    loop = asyncio.get_running_loop()
    now = loop.time()
    clock = [now]
    loop.time = lambda: clock[0]  # type: ignore[method-assign]
    try:
        watch = kind.watch()
        watch._called()
        clock[0] += 0.1
        watch._called()
        clock[0] += 0.6  # half a second more than it should
        watch._called()
        watch.stop()
        watch._called()
        watch.stop()
    finally:
        del loop.time  # type: ignore[method-assign]
    [use] = kind.sample(1.0)
    assert use.saturation == pytest.approx(0.5)
    assert values(registry)["event_loop.lag"] == 3
    assert kind.sample(1.0) == [], "nobody watches any more"


def test_without_a_loop_there_is_nothing_to_watch(registry: Registry) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        LoopLag(registry).watch()


def test_a_closed_loop_is_no_trouble(registry: Registry) -> None:
    loop = asyncio.new_event_loop()
    watch = LoopLag(registry).watch(loop)
    loop.close()
    watch.stop()


def test_this_machine_is_read() -> None:
    cgroup = Cgroup()
    found = read_cpu(cgroup)
    assert found.user > 0
    assert 0 < found.busy < found.total
    assert 0 < found.limit <= (os.cpu_count() or 1)
    memory = read_memory(cgroup)
    assert 10**6 < memory.rss < memory.limit
    assert 0 < memory.used <= memory.limit
    assert read_descriptors().descriptors >= 3
    assert read_network().received >= 0
    assert read_disk(cgroup).busy is not None


def test_all_kinds_go_together(registry: Registry) -> None:
    kinds = [kind(registry) for kind in KINDS]
    for kind in kinds:
        kind.start()
    uses = [use for kind in kinds for use in kind.sample(1.0)]
    for kind in kinds:
        kind.stop()
    assert len({use.resource for use in uses}) == len(uses)
    assert all(0 <= use.utilisation <= 1 for use in uses if use.utilisation is not None)
    assert all((use.saturation is None) or use.saturation_is for use in uses)
