"""Area `telemetry`: what recording costs, beside prometheus_client doing the same.

Nanoseconds a call, both in the same round, rounds interleaved, the order alternating; the figure is the median over
rounds of the ratio. One thread: prometheus_client's lock is then free, which favours it.

- `counter_vs_prometheus`, `gauge_vs_prometheus`, `histogram_vs_prometheus`: `inc()`, `set(x)` and `observe(x)`;
- `…_inc_vs_prometheus` and `labelled_…`: a gauge's `inc()`, a labelled child kept, and one looked up each time;
- `shared_…_vs_prometheus`: the same of a service with several workers, beside prometheus_client in a process alone;
- `exposition_vs_prometheus`: rendering 1,000 counters and 100 histograms as text.
"""

from __future__ import annotations

import statistics
import tempfile
import timeit
from typing import TYPE_CHECKING, Any

import prometheus_client

from perfloop.telemetry import Registry
from perfloop.telemetry.exporters.prometheus import render

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run"]

_ROUNDS = 15
_CALLS = 20_000
# Latencies as a service has them: 2 ms to 3 s, so a scan of buckets is neither always short nor always long.
_SECONDS = (0.002, 0.008, 0.012, 0.02, 0.045, 0.09, 0.3, 3.0)

Statement = tuple[str, dict[str, Any]]


def run(full: bool) -> dict[str, Any]:
    """Measure every figure.

    Args:
        full: four times the rounds.
    """
    rounds = _ROUNDS * (4 if full else 1)
    figures: dict[str, float] = {}
    peers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        times_of = {name: _interleaved(ours, theirs, rounds) for name, (ours, theirs) in _pairs(directory).items()}
    for name, times in times_of.items():
        figures[f"{name}_vs_prometheus"] = statistics.median(our / their for our, their in times)
        figures[f"{name}_ns"] = statistics.median(our for our, _ in times)
        peers[f"prometheus_client_{name}_ns"] = statistics.median(their for _, their in times)
    figures["exposition_vs_prometheus"] = _exposition(5 * (4 if full else 1))
    figures["rounds"] = rounds
    return {"figures": figures, "peers": peers}


def _pairs(directory: str) -> dict[str, tuple[Statement, Statement]]:
    """For each operation, ours and prometheus_client's."""
    ours, theirs = Registry(), prometheus_client.CollectorRegistry()
    our_family = ours.counter("labelled", "Labelled.", labels=["method", "route"])
    their_family = prometheus_client.Counter("labelled", "Labelled.", ["method", "route"], registry=theirs)
    values = ("GET", "/orders/{id}")
    counter = ours.counter("counter", "Counter."), prometheus_client.Counter("counter", "Counter.", registry=theirs)
    gauge = ours.gauge("gauge", "Gauge."), prometheus_client.Gauge("gauge", "Gauge.", registry=theirs)
    histogram = (
        ours.histogram("histogram", "Histogram."),
        prometheus_client.Histogram("histogram", "Histogram.", registry=theirs),
    )
    shared = Registry(directory=directory)
    observe = "; ".join(f"it.observe({seconds})" for seconds in _SECONDS)
    return {
        "counter": _both("it.inc()", *counter),
        "gauge": _both("it.set(2.5)", *gauge),
        "gauge_inc": _both("it.inc()", *gauge),
        "histogram": _both(observe, *histogram),
        "shared_counter": _both("it.inc()", shared.counter("counter", "Counter."), counter[1]),
        "shared_gauge_inc": _both("it.inc()", shared.gauge("gauge", "Gauge."), gauge[1]),
        "shared_histogram": _both(observe, shared.histogram("histogram", "Histogram."), histogram[1]),
        "labelled_child": _both("it.inc()", our_family.labels(*values), their_family.labels(*values)),
        "labelled_lookup": _both("it.labels('GET', '/orders/{id}').inc()", our_family, their_family),
    }


def _both(statement: str, ours: object, theirs: object) -> tuple[Statement, Statement]:
    return (statement, {"it": ours}), (statement, {"it": theirs})


def _interleaved(ours: Statement, theirs: Statement, rounds: int) -> list[tuple[float, float]]:
    """Nanoseconds a call of ours and theirs, round by round."""
    calls = ours[0].count(";") + 1
    timers = [timeit.Timer(statement, globals=names) for statement, names in (ours, theirs)]
    times: list[tuple[float, float]] = []
    for number in range(-1, rounds):  # the round before the first warms caches
        measured = [0.0, 0.0]
        for which in (0, 1) if number % 2 else (1, 0):
            measured[which] = timers[which].timeit(_CALLS // calls) / (_CALLS // calls * calls) * 1e9
        if number >= 0:
            times.append((measured[0], measured[1]))
    return times


def _exposition(rounds: int) -> float:
    ours, theirs = Registry(), prometheus_client.CollectorRegistry()
    our_counters = ours.counter("requests", "Requests.", labels=["route"])
    their_counters = prometheus_client.Counter("requests", "Requests.", ["route"], registry=theirs)
    our_histograms = ours.histogram("duration", "Duration.", labels=["route"])
    their_histograms = prometheus_client.Histogram("duration", "Duration.", ["route"], registry=theirs)
    for number in range(1000):
        our_counters.labels(str(number)).inc(number)
        their_counters.labels(str(number)).inc(number)
    for number in range(100):
        for seconds in _SECONDS:
            our_histograms.labels(str(number)).observe(seconds)
            their_histograms.labels(str(number)).observe(seconds)
    render_ours: Callable[[], object] = lambda: render(ours)  # noqa: E731
    render_theirs: Callable[[], object] = lambda: prometheus_client.generate_latest(theirs)  # noqa: E731
    ratios = [
        timeit.timeit(render_ours, number=3) / timeit.timeit(render_theirs, number=3) for _ in range(max(rounds, 5))
    ]
    return statistics.median(ratios)
