from __future__ import annotations

from typing import Any

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.loadtest import CapacityOptions, LoadOptions

LOAD = LoadOptions(url="http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"precision": 0.0}, "precision"),
        ({"precision": 1.5}, "precision"),
        ({"budget": -1.0}, "budget"),
        ({"probe": float("nan")}, "probe"),
        ({"most_connections": 0}, "most_connections"),
        ({"targets": ("p99>1s",)}, "targets"),
        ({"load": LoadOptions(url="ftp://x")}, "URL"),
    ],
)
def test_wrong_options_are_named(values: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidValue) as error:
        CapacityOptions(**{"load": LOAD, **values}).validate()
    assert where in str(error.value)


@pytest.mark.parametrize(
    ("in_flight", "connections", "streams"), [(1, 1, 1), (2, 1, 2), (8, 1, 8), (16, 2, 8), (100, 13, 8)]
)
def test_over_http2_requests_in_flight_share_connections(in_flight: int, connections: int, streams: int) -> None:
    over_http2 = CapacityOptions(load=LoadOptions(url="http://127.0.0.1:1/", http2=True, streams=10))
    load = over_http2.sending(in_flight)
    assert (load.connections, load.streams) == (connections, streams)
    assert CapacityOptions(load=LOAD).sending(in_flight).connections == in_flight


def test_the_defaults_are_those_of_the_targets() -> None:
    options = CapacityOptions(load=LOAD)
    options.validate()
    assert options.targets == ("p50<=100ms", "p95<=500ms", "p99<=1000ms")
    assert options.settings().samples == 300
    assert (options.settings().probe, options.settings(spent=30.0).budget) == (4.0, 150.0)


def test_random_arrivals_are_tried_for_longer() -> None:
    random = CapacityOptions(load=LoadOptions(url="http://127.0.0.1:1/", arrival="poisson")).settings()
    assert (random.probe, random.budget) == (10.0, 300.0)
