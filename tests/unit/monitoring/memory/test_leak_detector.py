from __future__ import annotations

import logging
import threading
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from perfloop.monitoring import LeakOptions, LeakReport, MemoryLeakDetector
from perfloop.monitoring.memory import leak_detector
from perfloop.telemetry import Registry

from .series import series

PATIENCE = 30.0


class Samples:
    """Gives made-up samples in place of this process' own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, samples: list[Any]) -> None:
        self._left = list(samples)
        self._first = samples[0]
        monkeypatch.setattr(leak_detector, "read_sample", self)

    def __call__(self, at: float, **_: object) -> Any:
        return self._left.pop(0) if self._left else self._first


def detector(**options: Any) -> tuple[MemoryLeakDetector, list[LeakReport], list[float], Registry]:
    registry = Registry()
    reports: list[LeakReport] = []
    growths: list[float] = []
    given = LeakOptions(**{"looks": 0, "warm_up": 0, "growth_bytes": 1e6, **options})
    made = MemoryLeakDetector(given, on_leak=reports.append, on_growth=growths.append, registry=registry)
    return made, reports, growths, registry


def published(registry: Registry) -> dict[tuple[str, ...], Any]:
    return {
        (family.name, *series.labels[1:]): series.value for family in registry.collect() for series in family.series
    }


def test_a_leak_is_reported_once_and_published(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Samples(monkeypatch, series(61, rss=lambda at: 2e5 * at, blocks=lambda at: 2e3 * at))
    made, reports, _, registry = detector(growth_bytes=1e12)
    with caplog.at_level(logging.WARNING, logger="perfloop.monitoring.memory"):
        for _ in range(60):
            made.check()
    assert [report.verdict.kind for report in reports] == ["python leak"]
    assert made.report is reports[0]
    assert made.verdict.leaking
    assert caplog.text.count("python leak: Python objects are allocated and kept") == 1
    values = published(registry)
    assert values["perfloop.memory.leak.verdict", "python leak"] == 1
    assert values["perfloop.memory.leak.verdict", "none"] == 0
    assert values["perfloop.memory.leak.growth_each",] == pytest.approx(200, rel=0.1)
    assert values["perfloop.memory.leaks",].count == 1


def test_the_simple_rule_fires_with_each_step_of_growth(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    samples = series(6, rss=lambda at: 4e6 * max(at - 1, 0), noise=0)
    Samples(monkeypatch, samples)
    made, reports, growths, _ = detector(growth_bytes=5e6)
    with caplog.at_level(logging.WARNING, logger="perfloop.monitoring.memory"):
        for _ in range(5):
            made.check()
    assert growths == [8e6, 12e6, 16e6]
    assert made.growth == 16e6
    assert reports == []
    assert "potential memory leak: 108 MB resident, 8 MB more than the baseline of 100 MB" in caplog.text


def test_an_investigation_names_line_and_holder_and_leaves_no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples are made up, what is found is not: how this process' memory goes depends on the tests before."""
    Samples(monkeypatch, series(60, rss=lambda at: 1e5 * at, blocks=lambda at: 2e3 * at))
    kept: list[str] = []
    done = 0

    def work() -> None:
        nonlocal done
        for _ in range(50):
            kept.append(f"a text that is kept, number {done}" * 10)
            done += 1

    def waited(_: float) -> bool:
        work()
        return False

    options = LeakOptions(window_seconds=0.1, confirmations=2)
    reports: list[LeakReport] = []
    made = MemoryLeakDetector(options, requests=lambda: done, on_leak=reports.append, registry=Registry())
    monkeypatch.setattr(made._periodic, "wait", waited)
    for _ in range(40):
        work()
        made.check()
    (report,) = reports
    assert report.verdict.kind == "python leak"
    assert report.evidence is not None
    assert report.evidence.lines[0].file == __file__
    assert report.evidence.path is not None
    assert report.evidence.path_length >= 1_000
    assert report.evidence.windows[0].requests > 0
    assert not tracemalloc.is_tracing()


def test_it_runs_by_itself_and_stops_twice() -> None:
    sampled = threading.Semaphore(0)

    def requests() -> float:
        sampled.release()
        return 1.0

    options = LeakOptions(interval=0.001, warm_up=0, pause_budget=1)
    with MemoryLeakDetector(options, requests=requests, registry=Registry()) as made:
        for _ in range(3):
            assert sampled.acquire(timeout=PATIENCE)
        assert made.start() is made
    made.stop()
    assert not made.running
    assert len(made.samples) >= 2
    assert "perfloop-leaks" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_sampled_while_the_service_warms_up() -> None:
    made, _, _, _ = detector(warm_up=3600)
    made.start()
    try:
        made._tick()
        assert made.samples == ()
    finally:
        made.stop()


def test_it_stops_while_no_collection_may_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    made, _, _, _ = detector(interval=0.001, pause_budget=0)

    def never(_: float) -> bool:
        asked.set()
        return False

    monkeypatch.setattr(made._collections, "happened", never)
    made.start()
    assert asked.wait(PATIENCE)
    made.stop()
    assert not made.running
    assert made.samples == ()


def test_samples_that_starve_are_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    made, _, _, _ = detector(interval=5.0, pause_budget=0.001)
    answers = iter([False, False, True] * 2)
    now = 0.0

    def waited(_: float) -> bool:
        nonlocal now
        now += 4.0
        return False

    monkeypatch.setattr(made, "_clock", SimpleNamespace(now=lambda: now))
    monkeypatch.setattr(made, "_started", 0.0)
    monkeypatch.setattr(made._collections, "happened", lambda _: next(answers))
    monkeypatch.setattr(made._periodic, "wait", waited)
    made._tick()
    made._tick()
    assert [record.message for record in caplog.records] == [
        "samples of memory wait for full collections, the last one for 8 s, beside the interval of 5 s: "
        "forced ones may take 0.001 of the time (pause_budget)"
    ]


def test_a_count_of_requests_that_raises_is_logged_and_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    asked = threading.Semaphore(0)

    def requests() -> float:
        asked.release()
        raise ConnectionError("metrics are down")

    options = LeakOptions(interval=0.001, warm_up=0, pause_budget=1)
    with MemoryLeakDetector(options, requests=requests, registry=Registry()):
        for _ in range(4):
            assert asked.acquire(timeout=PATIENCE)
    assert caplog.text.count("ConnectionError: metrics are down") == 1


def test_in_a_child_it_begins_anew_and_ends_the_parents_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    Samples(monkeypatch, series(10))
    made, _, _, _ = detector()
    made.check()
    made._tracing = True
    tracemalloc.start()
    made._begin_in_child()
    assert not tracemalloc.is_tracing()
    assert made.samples == ()
    assert made.growth == 0
