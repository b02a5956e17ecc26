from __future__ import annotations

import random

from perfloop.monitoring import ResourceSample
from perfloop.monitoring.live.leaks import LeakWatch


def sample(at: float, rss: int, blocks: int | None, pid: int = 7) -> ResourceSample:
    return ResourceSample(
        pid=pid, at=at, cpu_seconds=0, rss_bytes=rss, threads=1, loop_lag=None, commits=0, allocated_blocks=blocks
    )


def fed(growth: int, *, pid: int = 7, samples: int = 60, watch: LeakWatch | None = None) -> LeakWatch:
    """A process that keeps so many bytes of each request, and as many blocks as that takes."""
    watch = watch or LeakWatch()
    noise = random.Random(1)
    for number in range(samples):
        for _ in range(20):
            watch.count(pid)
        kept = number * 20 * growth
        scatter = noise.randrange(50_000)
        watch.add(sample(number * 5.0, 60_000_000 + kept + scatter, 500_000 + kept // 100 + scatter // 100, pid))
    return watch


def test_memory_that_grows_with_the_requests_is_a_leak() -> None:
    memory = fed(20_000).memory(300.0)
    assert memory is not None
    assert (memory.kind, memory.leaking, memory.pid) == ("python leak", True, 7)
    assert "a request" in memory.reason


def test_memory_that_stays_is_none() -> None:
    memory = fed(0).memory(300.0)
    assert memory is not None
    assert (memory.kind, memory.leaking) == ("none", False)


def test_too_few_samples_say_nothing() -> None:
    assert LeakWatch().memory(0.0) is None
    memory = fed(20_000, samples=5).memory(30.0)
    assert memory is not None
    assert memory.kind == "not enough data"


def test_the_process_that_leaks_is_the_one_that_is_told_of() -> None:
    watch = fed(0, pid=1)
    fed(20_000, pid=2, watch=watch)
    memory = watch.memory(300.0)
    assert memory is not None
    assert memory.pid == 2
    watch.forget(2)
    assert watch.memory(301.0) is memory  # judged again after a while only
    later = watch.memory(320.0)
    assert later is not None
    assert later.pid == 1


def test_samples_without_blocks_are_left_out() -> None:
    watch = LeakWatch()
    watch.add(sample(1.0, 1, None))
    assert watch.memory(2.0) is None


def test_a_series_is_bounded_and_follows_a_leak_that_begins_late() -> None:
    watch = LeakWatch()
    for number in range(20_000):
        watch.count(7)
        kept = max(number - 17_000, 0) * 20_000
        watch.add(sample(number * 5.0, 60_000_000 + kept, 500_000 + kept // 100))
    series = watch._series[7].samples
    assert 120 <= len(series) <= 240
    assert series[-1].at - series[0].at > 2 * 3600
    memory = watch.memory(100_000.0)
    assert memory is not None
    assert memory.leaking
