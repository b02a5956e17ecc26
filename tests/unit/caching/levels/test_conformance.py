"""Each level that takes a clock keeps every rule; levels in servers are in tests/integration/caching."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from perfloop.caching.levels import SQLiteLevel
from perfloop.testing import LevelConformance

from ...testing.clocks import MovingClock, Passing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("check", LevelConformance.names)
def test_sqlite(check: str, tmp_path: Path) -> None:
    clock = MovingClock()
    suite = LevelConformance(
        lambda namespace: SQLiteLevel(tmp_path / "cache.sqlite3", namespace=namespace, clock=clock),
        passing=lambda seconds: Passing(clock, seconds),
    )
    suite.check(check)
