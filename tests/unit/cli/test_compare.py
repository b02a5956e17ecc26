from __future__ import annotations

from typing import Literal

import pytest

from perfloop.cli.compare import _status
from perfloop.records import ComparisonRecord, current_environment


@pytest.mark.parametrize(
    ("verdict", "gate", "status"),
    [
        ("faster", True, 0),
        ("no difference", True, 0),
        ("slower", True, 1),
        ("not enough data", True, 3),
        ("slower", False, 0),
        ("not enough data", False, 0),
    ],
)
def test_the_verdict_decides_the_exit_status_when_asked_to(
    verdict: Literal["faster", "slower", "no difference", "not enough data"], gate: bool, status: int
) -> None:
    record = ComparisonRecord(
        environment=current_environment(), a="a", b="b", runs=5, confidence=0.95, metrics=[], verdict=verdict
    )
    assert _status(record, interrupted=False, fail_if_slower=gate) == status
    assert _status(record, interrupted=True, fail_if_slower=gate) == 130
