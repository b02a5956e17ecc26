from __future__ import annotations

import math

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.testing import FakeClock


def test_it_moves_only_when_told() -> None:
    clock = FakeClock(5.0)
    assert clock.now() == clock.now() == 5.0
    clock.advance(2.5)
    assert clock.now() == 7.5


@pytest.mark.parametrize("seconds", [-1.0, math.nan])
def test_it_never_goes_backwards(seconds: float) -> None:
    with pytest.raises(InvalidValue, match="0 or more"):
        FakeClock().advance(seconds)
