"""A grid names a breaker's settings and those of its windows side by side."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from perfloop.clock import MONOTONIC
from perfloop.exceptions import ConfigurationError, InvalidValue
from perfloop.resilience import CircuitBreaker, CountWindow, TimeWindow
from perfloop.resilience.circuit_breaker.circuit_settings import CircuitOptions
from perfloop.resilience.replay.breaker_settings import BREAKER_SETTINGS, breaker_grid, make_breaker
from perfloop.telemetry import Registry


def test_every_setting_of_a_breaker_is_there() -> None:
    elsewhere = {
        "name",
        "classification",
        "clock",
        "registry",
        "shared_state",
        "shared_interval",
        "options",
    }  # no thresholds
    own = set(inspect.signature(CircuitBreaker).parameters) - elsewhere | CircuitOptions.__optional_keys__
    windows = {field.name for window in (CountWindow, TimeWindow) for field in fields(window)}
    assert set(BREAKER_SETTINGS) == own | windows


@pytest.mark.parametrize(
    ("settings", "grid"),
    [
        ({}, [{}]),
        ({"max_failures": [3, 5]}, [{"max_failures": 3}, {"max_failures": 5}]),
        ({"max_failures": [3, 3]}, [{"max_failures": 3}]),
        ({"size": [50]}, [{"window": "count", "size": 50}]),
        ({"failure_rate": [0.5]}, [{"window": "count", "failure_rate": 0.5}]),
        ({"seconds": [9.0]}, [{"window": "time", "seconds": 9.0}]),
        (
            {"window": ["consecutive", "count"], "max_failures": [3], "size": [50, 60], "reset_timeout": [5.0]},
            [
                {"window": "consecutive", "max_failures": 3, "reset_timeout": 5.0},
                {"window": "count", "size": 50, "reset_timeout": 5.0},
                {"window": "count", "size": 60, "reset_timeout": 5.0},
            ],
        ),
    ],
)
def test_a_grid_has_each_combination_once(settings, grid) -> None:
    assert breaker_grid(settings) == grid
    for each in grid:
        make_breaker(each, MONOTONIC, Registry())


def test_a_window_gets_its_own_settings() -> None:
    breaker = make_breaker({"window": "time", "seconds": 9.0, "failure_rate": 0.25, "probes": 4}, MONOTONIC, Registry())
    described = breaker.describe().settings
    assert described["window"] == TimeWindow(seconds=9.0, failure_rate=0.25)
    assert described["probes"] == 4


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_failure": [3]}, ConfigurationError),
        ({"max_failures": [3], "size": [50]}, InvalidValue),
        ({"window": ["leaky"]}, InvalidValue),
        ({"max_failures": list(range(1, 600))}, ConfigurationError),
    ],
)
def test_what_cannot_be_is_refused(settings, error) -> None:
    with pytest.raises(error):
        breaker_grid(settings)
