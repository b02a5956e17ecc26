from __future__ import annotations

import math
from typing import Any

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.monitoring import LeakOptions, MemoryOptions


def test_the_guides_figures_are_the_defaults() -> None:
    options = LeakOptions()
    assert (options.interval, options.growth_bytes) == (30, 100 * 1024 * 1024)
    assert (MemoryOptions().interval, MemoryOptions().alert_bytes) == (30, 100 * 1024 * 1024)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (MemoryOptions, {"interval": 0}),
        (MemoryOptions, {"interval": math.inf}),
        (MemoryOptions, {"alert_bytes": -1}),
        (LeakOptions, {"interval": math.nan}),
        (LeakOptions, {"growth_bytes": 0}),
        (LeakOptions, {"warm_up": -1}),
        (LeakOptions, {"pause_budget": -0.1}),
        (LeakOptions, {"pause_budget": 2}),
        (LeakOptions, {"capacity": 31}),
        (LeakOptions, {"confirmations": 0}),
        (LeakOptions, {"looks": -1}),
        (LeakOptions, {"window_seconds": math.inf}),
        (LeakOptions, {"window_memory": 0}),
        (LeakOptions, {"frames": 0}),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue) as caught:
        kind(**wrong)
    assert caught.value.where in wrong
