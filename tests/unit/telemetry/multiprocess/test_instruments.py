"""Shared instruments are used as the others are, by the registry that makes them."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import Distribution, Occurrences, Registry
from perfloop.telemetry.multiprocess import read_processes

if TYPE_CHECKING:
    from pathlib import Path


def record(registry: Registry) -> None:
    requests = registry.counter("requests", "Requests.", labels=["route"])
    requests.labels("/a").inc()
    requests.labels("/a").inc(2)
    requests.labels("/b").inc(0.5)
    registry.counter("untouched", "Never counted.")
    gauge = registry.gauge("in.flight", "In flight.")
    gauge.set(5)
    gauge.inc(2)
    gauge.dec()
    histogram = registry.histogram("duration", "Duration.")
    for seconds in (-1, 0, 0.001, 0.3, 0.3, 99, 1e9):
        histogram.observe(seconds)
    registry.event("opened", "Opened.").record(name="x")
    registry.observable_gauge("memory", "Memory.", unit="By", callback=lambda: 7)


def test_they_count_what_those_of_a_process_alone_count(tmp_path: Path) -> None:
    alone, shared = Registry(), Registry(directory=tmp_path)
    record(alone)
    record(shared)
    kept: list[Any] = []
    for registry in (alone, shared):
        families = registry.collect()
        # An event's moment differs.
        kept.append(
            [
                (family, [s.value.count if isinstance(s.value, Occurrences) else s for s in family.series])
                for family in families
                if family.kind != "event"
            ]
        )
    assert kept[0] == kept[1]
    assert [family.name for family in shared.collect_all()] == [family.name for family in shared.collect()]


def test_others_find_the_same_in_the_file(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    record(registry)
    assert registry._store is not None
    registry._store.publish_now()
    [process] = read_processes(tmp_path)
    assert process.alive
    found = {family.name: {series.labels: series.value for series in family.series} for family in process.families}
    assert found["requests"] == {("/a",): 3, ("/b",): 0.5}
    assert found["in.flight"] == {(): 6}
    assert found["memory"] == {(): 7}
    assert found["opened"] == {(): Occurrences(count=1, dropped=0, kept=[])}
    duration = found["duration"][()]
    assert isinstance(duration, Distribution)
    own = registry.read("duration")
    assert own is not None
    assert duration == own.series[0].value
    assert "untouched" not in found


def test_values_are_checked_alike(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    with pytest.raises(InvalidValue, match="0 or more"):
        registry.counter("c", "C.").inc(-1)
    with pytest.raises(InvalidValue, match="Expected a number"):
        registry.histogram("h", "H.").observe(math.nan)
    gauge = registry.gauge("g", "G.")
    for amount in (math.nan, math.inf):
        with pytest.raises(InvalidValue, match="finite amount"):
            gauge.inc(amount)
        with pytest.raises(InvalidValue, match="finite amount"):
            gauge.dec(amount)
    assert gauge.value == 0
    assert list(tmp_path.iterdir()) == [], "nothing was counted: there is no file"


def test_a_gauge_is_what_it_was_set_to_and_then_moved(tmp_path: Path) -> None:
    gauge = Registry(directory=tmp_path).gauge("g", "G.")

    def move() -> None:
        gauge.inc(10)
        gauge.dec(3)

    for _ in range(3):
        thread = threading.Thread(target=move)
        thread.start()
        thread.join()
    gauge.inc()
    assert gauge.value == 22
    for value in (5, math.inf, -2.5, math.nan, 0):
        gauge.set(value)
        assert gauge.value == value or (math.isnan(gauge.value) and math.isnan(value))
    move()
    assert gauge.value == 7


def test_no_thread_loses_a_count(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    counter, gauge = registry.counter("c", "C."), registry.gauge("g", "G.")
    histogram = registry.histogram("h", "H.")

    def work(number: int) -> None:
        for turn in range(2000):
            counter.inc()
            gauge.inc(2)
            gauge.dec()
            histogram.observe(number + turn % 7)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counter.value, gauge.value, histogram.snapshot().count) == (12_000, 12_000, 12_000)
    [process] = read_processes(tmp_path)
    assert {
        family.name: getattr(family.series[0].value, "count", family.series[0].value) for family in process.families
    } == {
        "c": 12_000,
        "g": 12_000,
        "h": 12_000,
    }


def test_what_is_removed_is_read_no_more_and_may_go_on(tmp_path: Path) -> None:
    registry = Registry(directory=tmp_path)
    family = registry.counter("requests", "Requests.", labels=["route"])
    removed, kept = family.labels("/a"), family.labels("/b")
    histogram, event = registry.histogram("h", "H."), registry.event("e", "E.")
    for instrument in (removed, kept):
        instrument.inc()
    histogram.observe(1)
    event.record()
    family.remove("/a")
    registry.unregister("h")
    registry.unregister("e")
    removed.inc()
    histogram.observe(1000)
    event.record()
    [process] = read_processes(tmp_path)
    [found] = process.families
    assert [(series.labels, series.value) for series in found.series] == [(("/b",), 1)]


def test_an_observable_that_raises_or_has_no_answer_counts_for_nothing(tmp_path: Path) -> None:
    registry, other = Registry(directory=tmp_path), Registry(directory=tmp_path)
    for each, callback in ((registry, lambda: 1 / 0), (other, lambda: 4.0)):
        each.observable_gauge("g", "G.", callback=callback)
    for each in (registry, other):
        assert each._store is not None
        each._store.publish_now()
    assert [(f.name, f.series[0].value) for f in other.collect_all() if f.name == "g"] == [("g", 4.0)]
    assert [(f.name, f.series[0].value) for f in registry.collect_all() if f.name == "g"] == [("g", 4.0)]


def test_what_others_refused_is_counted_too(tmp_path: Path) -> None:
    registry, other = Registry(directory=tmp_path, max_series=1), Registry(directory=tmp_path, max_series=1)
    for each in (registry, other):
        family = each.counter("requests", "Requests.", labels=["route"])
        for route in ("/a", "/b", "/c"):
            family.labels(route).inc()
    found = {family.name: {s.labels: s.value for s in family.series} for family in registry.collect_all()}
    assert found["requests"] == {("/a",): 2, ("_overflow",): 4}
    assert found["perfloop.telemetry.dropped_labels"] == {("requests",): 4}
