from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from perfloop.monitoring import MemoryMonitor, MemoryOptions
from perfloop.telemetry import Registry

if TYPE_CHECKING:
    import pytest

    from perfloop.monitoring import MemorySample

PATIENCE = 30.0


def published(registry: Registry) -> dict[str, Any]:
    return {family.name: family.series[0].value for family in registry.collect() if family.series}


def test_figures_are_read_and_published() -> None:
    registry = Registry()
    monitor = MemoryMonitor(MemoryOptions(alert_bytes=1e15), requests=lambda: 5, registry=registry)
    figures = monitor.check()
    assert figures == monitor.figures
    assert (figures.requests, monitor.level) == (5, "normal")
    values = published(registry)
    assert values["perfloop.memory.resident"] == figures.rss
    assert values["perfloop.memory.blocks"] == figures.blocks
    assert values["perfloop.memory.high"] == 0
    assert "perfloop.memory.proportional" not in values


def test_high_memory_warns_once_and_calls_back(caplog: pytest.LogCaptureFixture) -> None:
    registry, alerted = Registry(), []
    monitor = MemoryMonitor(MemoryOptions(alert_bytes=1_000), on_alert=alerted.append, registry=registry)
    with caplog.at_level(logging.WARNING, logger="perfloop.monitoring.memory"):
        monitor.check()
        monitor.check()
    assert monitor.level == "high"
    assert len(alerted) == 1
    assert [record.getMessage()[:15] for record in caplog.records] == ["memory is high:"]
    assert published(registry)["perfloop.memory.high"] == published(registry)["perfloop.memory.alerts"] == 1


def test_it_reads_by_itself_until_it_is_stopped() -> None:
    read = threading.Semaphore(0)

    def requests() -> float:
        read.release()
        return 1.0

    with MemoryMonitor(MemoryOptions(interval=0.001), requests=requests, registry=Registry()) as monitor:
        assert monitor.running
        for _ in range(4):
            assert read.acquire(timeout=PATIENCE)
        assert monitor.start() is monitor
    assert not monitor.running
    monitor.stop()
    assert "perfloop-memory" not in {thread.name for thread in threading.enumerate()}


def test_a_callback_that_raises_does_not_end_the_monitor(caplog: pytest.LogCaptureFixture) -> None:
    called, read = threading.Event(), threading.Semaphore(0)

    def on_alert(_: MemorySample) -> None:
        called.set()
        raise RuntimeError("no such pager")

    def requests() -> float:
        read.release()
        return 1.0

    options = MemoryOptions(interval=0.001, alert_bytes=1_000)
    with MemoryMonitor(options, requests=requests, on_alert=on_alert, registry=Registry()):
        assert called.wait(PATIENCE)
        for _ in range(4):
            assert read.acquire(timeout=PATIENCE)
    assert "RuntimeError: no such pager" in caplog.text


def test_two_monitors_share_the_instruments() -> None:
    registry = Registry()
    for name in ("api", "worker"):
        MemoryMonitor(name=name, registry=registry).check()
    (resident,) = [family for family in registry.collect() if family.name == "perfloop.memory.resident"]
    assert [series.labels for series in resident.series] == [("api",), ("worker",)]
