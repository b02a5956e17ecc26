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


def test_the_defaults_are_those_of_the_targets() -> None:
    options = CapacityOptions(load=LOAD)
    options.validate()
    assert options.targets == ("p50<=100ms", "p95<=500ms", "p99<=1000ms")
    assert options.settings().samples == 300
    assert (options.settings().probe, options.settings(spent=30.0).budget) == (4.0, 150.0)


def test_random_arrivals_are_tried_for_longer() -> None:
    random = CapacityOptions(load=LoadOptions(url="http://127.0.0.1:1/", arrival="poisson")).settings()
    assert (random.probe, random.budget) == (10.0, 300.0)
