from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import Counter


def test_counts() -> None:
    counter = Counter()
    assert counter.value == 0
    counter.inc()
    counter.inc(2)
    counter.inc(0)
    assert counter.value == 3
    assert isinstance(counter.value, int)


def test_whole_amounts_stay_whole_beyond_the_floats() -> None:
    counter = Counter()
    counter.inc(2**60)
    counter.inc()
    assert counter.value == 2**60 + 1


def test_fractions_add_up() -> None:
    counter = Counter()
    counter.inc(0.25)
    counter.inc(1)
    assert counter.value == 1.25


@pytest.mark.parametrize("amount", [-1, -0.001, math.nan])
def test_never_falls(amount: float) -> None:
    counter = Counter()
    with pytest.raises(InvalidValue, match="only rises"):
        counter.inc(amount)
    assert counter.value == 0
