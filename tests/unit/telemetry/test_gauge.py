from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import Gauge, ObservableGauge


def test_sets_and_moves() -> None:
    gauge = Gauge()
    assert gauge.value == 0
    gauge.inc()
    gauge.inc(4)
    gauge.dec(2)
    assert gauge.value == 3
    gauge.set(10.5)
    assert gauge.value == 10.5
    gauge.dec(0.5)
    assert gauge.value == 10
    gauge.set(-1)
    assert gauge.value == -1


def test_may_start_by_falling() -> None:
    gauge = Gauge()
    gauge.dec()
    assert gauge.value == -1


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_may_be_infinite(value: float) -> None:
    gauge = Gauge()
    gauge.set(value)
    gauge.inc()
    assert gauge.value == value


def test_may_be_unknown() -> None:
    gauge = Gauge()
    gauge.set(math.nan)
    assert math.isnan(gauge.value)


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf])
def test_moves_only_by_what_can_be_undone(amount: float) -> None:
    gauge = Gauge()
    for move in (gauge.inc, gauge.dec):
        with pytest.raises(InvalidValue, match="finite"):
            move(amount)
    assert gauge.value == 0


def test_observable_gauge_asks_each_time() -> None:
    sizes = [1, 2]
    gauge = ObservableGauge()
    assert gauge.value is None
    gauge.observe(lambda: len(sizes))
    assert gauge.value == 2
    sizes.append(3)
    assert gauge.value == 3
    gauge.observe(None)
    assert gauge.value is None
