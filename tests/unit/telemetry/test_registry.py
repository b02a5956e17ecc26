from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.telemetry import DEFAULT_REGISTRY, Distribution, Occurrences, Registry

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_same_name_is_the_same_instrument() -> None:
    registry = Registry()
    assert registry.counter("a", "A.") is registry.counter("a", "A.")
    assert registry.gauge("b", "B.") is registry.gauge("b", "B.")
    assert registry.histogram("c", "C.") is registry.histogram("c", "C.")
    assert registry.event("d", "D.") is registry.event("d", "D.")
    assert registry.counter("e", "E.", labels=["x"]) is registry.counter("e", "E.", labels=("x",))
    assert registry.observable_gauge("f", "F.") is registry.observable_gauge("f", "F.")


OTHERWISE: list[Callable[[Registry], Any]] = [
    lambda registry: registry.gauge("jobs", "J."),
    lambda registry: registry.counter("jobs", "J.", labels=["x"]),
    lambda registry: registry.counter("jobs", "J.", unit="s"),
    lambda registry: registry.histogram("size", "S.", unit="By", buckets=[1, 3]),
    lambda registry: registry.event("restart", "R.", capacity=6),
    lambda registry: registry.observable_gauge("depth", "D."),
]


@pytest.mark.parametrize("ask", OTHERWISE)
def test_the_same_name_as_something_else_is_an_error(ask: Callable[[Registry], Any]) -> None:
    registry = Registry()
    registry.counter("jobs", "J.")
    registry.histogram("size", "S.", unit="By", buckets=[1, 2])
    registry.event("restart", "R.", capacity=5)
    registry.gauge("depth", "D.")
    with pytest.raises(ConfigurationError, match="as it is registered"):
        ask(registry)


WRITTEN_ALIKE: list[Callable[[Registry], Any]] = [
    lambda registry: registry.counter("http_requests", "H."),
    lambda registry: registry.gauge("http.requests_total", "H."),
    lambda registry: registry.gauge("wait.seconds.bucket", "W."),
    lambda registry: registry.counter("perfloop.telemetry.dropped_labels", "P."),
]


@pytest.mark.parametrize("ask", WRITTEN_ALIKE)
def test_names_an_exposition_could_not_tell_apart(ask: Callable[[Registry], Any]) -> None:
    registry = Registry()
    registry.counter("http.requests", "H.")
    registry.histogram("wait", "W.")
    with pytest.raises(ConfigurationError, match="can tell from"):
        ask(registry)


WRONG: list[Callable[[Registry], Any]] = [
    lambda registry: registry.counter("", "X."),
    lambda registry: registry.counter("1st", "X."),
    lambda registry: registry.counter("with space", "X."),
    lambda registry: registry.counter("x" * 256, "X."),
    lambda registry: registry.counter("a", "X.", labels=["le"]),
    lambda registry: registry.counter("a", "X.", labels=["__name"]),
    lambda registry: registry.counter("a", "X.", labels=[""]),
    lambda registry: registry.counter("a", "X.", labels=["a.b", "a_b"]),
    lambda registry: registry.counter("a", "X.", labels="method"),
    lambda registry: registry.counter("a", "X.", labels=["m"], max_series=0),
    lambda registry: registry.histogram("a", "X.", buckets=[]),
    lambda registry: registry.event("a", "X.", capacity=0),
    lambda _: Registry(max_series=0),
]


@pytest.mark.parametrize("ask", WRONG)
def test_what_cannot_be_registered_leaves_no_trace(ask: Callable[[Registry], Any]) -> None:
    registry = Registry()
    with pytest.raises(InvalidValue):
        ask(registry)
    assert registry.collect() == []
    registry.gauge("a", "A.")


def test_collect_reads_everything_by_name() -> None:
    registry = Registry()
    registry.event("z.event", "Z.").record(why="because")
    registry.histogram("m.time", "M.").observe(0.2)
    registry.counter("a.count", "A.", labels=["x"]).labels("1").inc(2)
    registry.observable_gauge("g.size", "G.", callback=lambda: 7, unit="By")
    count, size, time, event = registry.collect()
    assert (count.name, count.kind, count.label_names, count.description) == ("a.count", "counter", ("x",), "A.")
    assert [(series.labels, series.value) for series in count.series] == [(("1",), 2)]
    assert (size.name, size.unit, size.series[0].value) == ("g.size", "By", 7.0)
    assert isinstance(time.series[0].value, Distribution)
    assert isinstance(event.series[0].value, Occurrences)
    assert event.series[0].value.kept[0].attributes == {"why": "because"}


def test_a_callback_that_raises_costs_only_its_series() -> None:
    registry = Registry()
    pools = registry.observable_gauge("pool.size", "P.", labels=["pool"])
    pools.labels("orders").observe(lambda: 3)
    pools.labels("broken").observe(lambda: 1 // 0)
    pools.labels("silent")
    for reading in (1, 2):
        pool, errors = registry.collect()
        assert [(series.labels, series.value) for series in pool.series] == [(("orders",), 3.0)]
        assert errors.name == "perfloop.telemetry.callback_errors"
        assert [(series.labels, series.value) for series in errors.series] == [(("pool.size",), reading)]


def test_no_lock_is_held_while_a_callback_runs() -> None:
    registry = Registry()
    finished: list[bool] = []

    def another_thread_registers() -> float:
        thread = threading.Thread(target=lambda: registry.counter("made.meanwhile", "M.").inc(), daemon=True)
        thread.start()
        thread.join(timeout=10)
        finished.append(not thread.is_alive())
        return 1

    registry.observable_gauge("asked", "A.", callback=another_thread_registers)
    registry.collect()
    assert finished == [True]


def test_a_callback_beside_labels_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="to each child"):
        Registry().observable_gauge("x", "X.", callback=lambda: 1, labels=["y"])  # type: ignore[call-overload]


def test_dropped_labels_are_reported() -> None:
    registry = Registry(max_series=1)
    routes = registry.counter("hits", "H.", labels=["route"])
    for route in "abc":
        routes.labels(route).inc()
    hits, dropped = registry.collect()
    assert {series.labels: series.value for series in hits.series} == {("a",): 1, ("_overflow",): 2}
    assert [(series.labels, series.value) for series in dropped.series] == [(("hits",), 2)]


def test_unregister_frees_the_name() -> None:
    registry = Registry()
    registry.counter("x", "X.")
    assert registry.unregister("x")
    assert not registry.unregister("x")
    registry.gauge("x_total", "X.")


def test_the_clock_stamps_events() -> None:
    class Fixed:
        def now(self) -> float:
            return 12.5

    event = Registry(clock=Fixed()).event("e", "E.")
    event.record()
    assert event.snapshot().kept[0].at == 12.5


def test_there_is_a_default() -> None:
    name = "tests.registry.default"
    try:
        DEFAULT_REGISTRY.counter(name, "D.").inc()
        assert name in {family.name for family in DEFAULT_REGISTRY.collect()}
    finally:
        DEFAULT_REGISTRY.unregister(name)
