from __future__ import annotations

import math
from bisect import bisect_right

from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from prometheus_client.parser import text_string_to_metric_families

from perfloop.telemetry import Gauge, Histogram, Registry
from perfloop.telemetry.exporters.prometheus import render
from perfloop.telemetry.names import exposition_label, exposition_name

numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)
bounds = st.lists(numbers, min_size=1, max_size=20, unique=True).map(sorted)


@given(bounds, st.lists(numbers))
@example([1.0, 613.0], [1.9870154632622645e-21])  # far below the first cell
def test_buckets_are_exact(buckets: list[float], values: list[float]) -> None:
    histogram = Histogram(buckets)
    for value in values:
        histogram.observe(value)
    snapshot = histogram.snapshot()
    assert snapshot.cumulative() == [bisect_right(sorted(values), bound) for bound in buckets]
    assert snapshot.count == len(values)
    assert snapshot.sum == math.fsum(values) or math.isclose(snapshot.sum, math.fsum(values), abs_tol=1e-3)


@given(
    st.lists(st.floats(-1e3, 1e6), min_size=1, max_size=20, unique=True).map(sorted),
    st.one_of(numbers, st.floats(0, 1e300), st.integers(-400, 400).map(lambda power: 2 ** (power / 32))),
)
def test_every_value_is_in_its_cell(buckets: list[float], value: float) -> None:
    histogram = Histogram(buckets)
    histogram.observe(value)
    snapshot = histogram.snapshot()
    [cell] = snapshot.cells
    # At a cell's own bound, but not at a bucket's, rounding may take the next one.
    assert cell == len(snapshot.bounds) or value <= snapshot.bounds[cell] * (1 + 1e-12) or snapshot.bounds[cell] < 0
    assert cell == 0 or value > snapshot.bounds[cell - 1] * (1 - 1e-12) or snapshot.bounds[cell - 1] < 0
    assert snapshot.cumulative() == [int(value <= bucket) for bucket in buckets]


@given(st.lists(st.floats(1e-6, 3599), min_size=1), st.lists(st.floats(0, 100), min_size=1))
def test_percentiles_rise_and_are_close(values: list[float], qs: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.observe(value)
    snapshot = histogram.snapshot()
    found = [snapshot.percentile(q) for q in sorted(qs)]
    assert found == sorted(found)
    for q, near in zip(sorted(qs), found, strict=True):
        exact = sorted(values)[max(int(q * len(values) / 100 + 0.5), 1) - 1]
        assert exact <= near <= exact * 2 ** (1 / 32) * (1 + 1e-9)


@given(st.dictionaries(st.text(max_size=20), st.integers(0, 10**6), max_size=10), st.text(max_size=40))
def test_prometheus_reads_back_any_label_value(counts: dict[str, int], description: str) -> None:
    registry = Registry()
    family = registry.counter("things", description, labels=["name"])
    for name, count in counts.items():
        family.labels(name).inc(count)
    text = render(registry)[0].decode(errors="surrogatepass")
    found = {
        sample.labels["name"]: sample.value
        for parsed in text_string_to_metric_families(text)
        for sample in parsed.samples
    }
    assert found == counts


@given(st.text(min_size=1, max_size=30))
def test_any_label_name_is_written_legally(name: str) -> None:
    assert exposition_label(name).replace("_", "a").isidentifier()
    assert exposition_label(name).isascii()


@given(st.from_regex(r"[A-Za-z_:][A-Za-z0-9_.:/-]{0,40}", fullmatch=True), st.sampled_from(["", "s", "By/s", "1", "%"]))
def test_any_metric_name_is_written_legally(name: str, unit: str) -> None:
    written = exposition_name(name, unit, "gauge")
    assert written.replace(":", "_").isidentifier()


class GaugeMachine(RuleBasedStateMachine):
    """A gauge is a number: set, raised and lowered."""

    @initialize()
    def start(self) -> None:
        self.gauge, self.model = Gauge(), 0

    @rule(value=st.integers(-1000, 1000))
    def set(self, value: int) -> None:
        self.gauge.set(value)
        self.model = value

    @rule(amount=st.integers(-1000, 1000))
    def inc(self, amount: int) -> None:
        self.gauge.inc(amount)
        self.model += amount

    @rule(amount=st.integers(-1000, 1000))
    def dec(self, amount: int) -> None:
        self.gauge.dec(amount)
        self.model -= amount

    @invariant()
    def agrees(self) -> None:
        assert self.gauge.value == self.model


TestGauge = GaugeMachine.TestCase
