from __future__ import annotations

import gc
import mmap
import os
import queue
import threading
import traceback
from typing import TYPE_CHECKING

import pytest

from perfloop.telemetry import Registry
from perfloop.telemetry.multiprocess import read_processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def in_child(work: Callable[[], None], *, kill: bool = False) -> None:
    """Do it in a fork of this process, which then ends in order or is killed."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            if kill:
                os.kill(os.getpid(), 9)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status == (9 if kill else 0)


def counts(registry: Registry) -> dict[str, float]:
    return {
        family.name: getattr(family.series[0].value, "count", family.series[0].value)
        for family in registry.collect_all()
        if family.series
    }


def test_children_count_into_files_of_their_own_and_killed_ones_lose_nothing(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    counter, histogram, gauge = registry.counter("c", "C."), registry.histogram("h", "H."), registry.gauge("g", "G.")
    event = registry.event("e", "E.")

    def work() -> None:
        assert (counter.value, histogram.snapshot().count, gauge.value, event.value) == (0, 0, 0, 0)
        for _ in range(100):
            counter.inc()
            histogram.observe(0.1)
        gauge.inc(50)
        event.record()

    counter.inc(1000)
    histogram.observe(0.2)
    gauge.inc(1)
    event.record()
    for kill in (False, True, True):
        in_child(work, kill=kill)
    assert counts(registry) == {"c": 1300, "h": 301, "g": 1, "e": 4}
    assert counter.value == 1000, "of this process alone"
    assert len(list(tmp_path.iterdir())) == 4


def test_a_child_that_counts_nothing_leaves_no_file_and_its_parent_alive(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    registry.gauge("g", "G.").set(3)
    in_child(lambda: None)
    assert len(list(tmp_path.iterdir())) == 1
    assert counts(Registry(directory=tmp_path)) == {"g": 3}


def test_a_child_that_lives_on_does_not_keep_its_parent_alive(tmp_path: Path) -> None:
    """The lock on a file belongs to whoever has it open: children must close it."""
    ready, end = os.pipe(), os.pipe()

    def parent() -> None:
        registry = Registry(directory=tmp_path)
        registry.gauge("g", "G.").set(3)
        if not os.fork():
            os.close(end[1])
            os.write(ready[1], b"x")
            os.read(end[0], 1)
            os._exit(0)

    in_child(parent, kill=True)
    try:
        os.read(ready[0], 1)
        assert [process.alive for process in read_processes(tmp_path)] == [False]
    finally:
        for descriptor in (*ready, *end):  # which ends it
            os.close(descriptor)


def test_a_fork_while_other_threads_count(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    counter, gauge = registry.counter("c", "C."), registry.gauge("g", "G.")
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            counter.inc()
            gauge.inc()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        in_child(lambda: (counter.inc(1e9), gauge.inc())[0])  # type: ignore[func-returns-value]
    ended.set()
    for thread in threads:
        thread.join()
    assert counts(registry)["c"] == counter.value + 5e9
    assert counts(registry)["g"] == gauge.value


def test_a_child_publishes_its_observables_once_it_counts(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    registry.observable_gauge("g", "G.", callback=lambda: 1)
    counter = registry.counter("c", "C.")

    def work() -> None:
        names = {thread.name for thread in threading.enumerate()}
        assert "perfloop-metrics" not in names
        counter.inc()
        assert "perfloop-metrics" in {thread.name for thread in threading.enumerate()}

    in_child(work)


def test_a_directory_that_cannot_be_used_costs_the_sum_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    registry = Registry(directory=tmp_path / "file")
    counter = registry.counter("c", "C.")
    for _ in range(3):
        counter.inc()
    assert counts(registry) == {"c": 3}
    said = [record.message for record in caplog.records]
    assert said[0].startswith("this process is left out of its service's metrics: Expected a directory")
    assert len([message for message in said if message.startswith("this process")]) == 1


def test_where_memory_is_short_the_process_counts_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = mmap.mmap

    def short(descriptor: int, length: int) -> mmap.mmap:
        if length > 8 << 20:
            raise OSError(12, "Cannot allocate memory")
        return real(descriptor, length)

    monkeypatch.setattr(mmap, "mmap", short)
    registry = Registry(directory=tmp_path)
    registry.counter("c", "C.").inc(3)
    monkeypatch.undo()
    assert counts(registry) == {"c": 3}
    assert read_processes(tmp_path) == []


def test_a_full_disk_leaves_out_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(directory=tmp_path, max_series=10_000)
    family = registry.counter("c", "C.", labels=["n"])
    first = family.labels(0)
    first.inc()
    durations = registry.histogram("h", "H.")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    for number in range(3000):
        family.labels(number).inc()
    for _ in range(2):
        durations.observe(0.5)
    late = registry.gauge("g", "G.")
    late.inc(5)
    late.set(7)
    assert first.value == 2
    # What found no room shares a cell, and is not read from there.
    assert {family.labels(number).value for number in range(1, 3000)} == {0, 1}
    assert durations.snapshot().count == late.value == 0
    assert sum("no room" in record.message for record in caplog.records) == 1
    [process] = read_processes(tmp_path)
    assert 0 < sum(series.value for series in process.families[0].series) < 3000  # type: ignore[misc]


def test_a_registry_that_is_gone_leaves_its_counts_and_no_thread_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, closed = os.close, queue.SimpleQueue[int]()

    def close_and_tell(descriptor: int) -> None:
        close(descriptor)
        closed.put(descriptor)

    monkeypatch.setattr(os, "close", close_and_tell)
    registry = Registry(directory=tmp_path)
    registry.observable_gauge("g", "G.", callback=lambda: 1)
    registry.counter("c", "C.").inc()
    del registry
    gc.collect()
    assert counts(Registry(directory=tmp_path))["c"] == 1
    # The thread that publishes may hold it just now, for a moment; its file is closed when nobody does.
    while [process.alive for process in read_processes(tmp_path)] != [False]:
        closed.get(timeout=60)


def test_one_process_leads_and_another_when_it_has_ended(tmp_path: Path) -> None:
    assert Registry().leads()
    registries = [Registry(directory=tmp_path), Registry(directory=tmp_path)]
    assert [each.leads() for each in registries] == [True, False]

    def work() -> None:
        assert [each.leads() for each in registries] == [False, False]

    in_child(work)
    assert [each.leads() for each in registries] == [True, False], "the child that ended had nothing to give back"
    registries.pop(0)
    gc.collect()
    assert [each.leads() for each in registries] == [True]
    (tmp_path / "file").touch()
    assert Registry(directory=tmp_path / "file").leads(), "who has no directory is alone"


def test_a_leader_that_is_killed_leads_no_more(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)

    def lead() -> None:
        assert registry.leads()

    in_child(lead, kill=True)
    assert registry.leads()


@pytest.mark.parametrize(("where", "warnings"), [("elsewhere", 1), ("here", 0)])
def test_a_service_that_starts_beside_another_says_so(
    where: str, warnings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    counting, over = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.chdir(tmp_path / where)
        registry = Registry(directory=tmp_path / "metrics")
        registry.counter("c", "C.").inc()
        os.write(counting[1], b".")
        os.close(over[1])
        os.read(over[0], 1)
        os._exit(0)
    os.read(counting[0], 1)
    monkeypatch.chdir(tmp_path / "here")
    Registry(directory=tmp_path / "metrics").counter("c", "C.").inc()
    os.close(over[1])
    os.waitpid(child, 0)
    said = [text for text in caplog.messages if f"process {child}, which works in {tmp_path / where}" in text]
    assert len(said) == len(caplog.messages) == warnings
