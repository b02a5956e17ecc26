from __future__ import annotations

import pytest

from perfloop.diagnosis.phases import is_stable


@pytest.mark.parametrize(
    ("rates", "stable"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 100, 100], True),
        ([10, 50, 90, 95, 97], True),
        ([10, 50, 90, 95], False),
        ([100, 105, 80], False),
        ([0, 0, 0], True),
    ],
)
def test_is_stable(rates, stable) -> None:
    assert is_stable(rates) is stable
