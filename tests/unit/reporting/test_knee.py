"""The knee of a load curve."""

from __future__ import annotations

import pytest

from perfloop.records import CurvePoint
from perfloop.reporting.knee import knee


def curve(*rates: float) -> list[CurvePoint]:
    return [CurvePoint(in_flight=2**i, rate=rate, p50_ms=1.0, p99_ms=1.0) for i, rate in enumerate(rates)]


@pytest.mark.parametrize(
    ("rates", "in_flight"),
    [
        ((9, 18, 33, 37, 38, 37, 36), 8),
        ((10, 20, 40), 4),
        ((40, 20, 10), 1),
        ((5,), 1),
    ],
)
def test_the_knee_is_where_throughput_stops_rising(rates: tuple[float, ...], in_flight: int) -> None:
    found = knee(curve(*rates))
    assert found is not None
    assert found.in_flight == in_flight


def test_no_knee_without_throughput() -> None:
    assert knee([]) is None
    assert knee(curve(0, 0)) is None
