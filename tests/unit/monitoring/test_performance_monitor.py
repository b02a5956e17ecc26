"""Counting without a framework."""

from __future__ import annotations

import math
import threading

import pytest

from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.monitoring import PerformanceMonitor
from perfloop.telemetry import Registry

from .requests.calling import Ticks


def test_counts_total_and_slow_as_in_the_guide() -> None:
    monitor = PerformanceMonitor()
    for duration in (0.2, 1.0, 1.000001, 3.0):
        monitor.record_request(duration)
    count, total, slow, *_ = monitor.get_stats()
    assert (count, slow) == (4, 2)
    assert total == pytest.approx(5.200001)


def test_percentiles_are_close_above() -> None:
    monitor = PerformanceMonitor()
    for milliseconds in range(1, 1001):
        monitor.record_request(milliseconds / 1e3)
    stats = monitor.get_stats()
    for got, true in ((stats.p50, 0.5), (stats.p95, 0.95), (stats.p99, 0.99), (stats.p999, 0.999), (stats.highest, 1)):
        assert true <= got <= true * 1.023
    assert stats.mean == pytest.approx(0.5005)


def test_nothing_seen() -> None:
    assert set(PerformanceMonitor().get_stats()) == {0}


@pytest.mark.parametrize("duration", [-0.1, math.nan, math.inf])
def test_what_is_no_duration_is_refused(duration: float) -> None:
    monitor = PerformanceMonitor()
    with pytest.raises(InvalidValue, match="0 or more seconds"):
        monitor.record_request(duration)
    assert monitor.get_stats().count == 0


@pytest.mark.parametrize("threshold", [0, -1, math.inf, math.nan])
def test_what_is_no_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(InvalidValue, match="slow_threshold"):
        PerformanceMonitor(slow_threshold=threshold)


def test_the_threshold_counts_exactly() -> None:
    monitor = PerformanceMonitor(slow_threshold=0.0333)
    monitor.record_request(0.0333)
    monitor.record_request(math.nextafter(0.0333, 1))
    assert monitor.get_stats().slow == 1


def test_measure_counts_also_what_raises() -> None:
    clock = Ticks()
    monitor = PerformanceMonitor(clock=clock)

    def failing() -> None:
        with monitor.measure():
            clock.pass_(2)
            raise ValueError

    with pytest.raises(ValueError):
        failing()
    assert monitor.get_stats()[:3] == (1, 2, 1)


def test_a_clock_that_jumps_back_gives_no_negative_duration() -> None:
    clock = Ticks()
    monitor = PerformanceMonitor(clock=clock)
    with monitor.measure():
        clock.pass_(-5)
    assert monitor.get_stats().total == 0


def test_a_name_publishes_and_is_shared() -> None:
    registry = Registry()
    for duration in (1, 2):
        PerformanceMonitor("checkout.duration", registry=registry).record_request(duration)
    (family,) = registry.collect()
    assert (family.name, family.unit, family.series[0].value.count) == ("checkout.duration", "s", 2)  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError):
        PerformanceMonitor("checkout.duration", slow_threshold=2.2, registry=registry)


def test_without_a_name_monitors_are_apart() -> None:
    PerformanceMonitor().record_request(1)
    assert PerformanceMonitor().get_stats().count == 0


def test_many_threads_lose_nothing() -> None:
    monitor = PerformanceMonitor()
    threads = [threading.Thread(target=lambda: [monitor.record_request(0.5) for _ in range(5000)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.get_stats()[:2] == (40_000, 20_000)
