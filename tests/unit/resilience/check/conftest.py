"""Each test has pools and limits of its own, and looks at its own parts only."""

from __future__ import annotations

import pytest

from perfloop.resilience.check import pools


@pytest.fixture(autouse=True)
def own_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_pools", {})
    monkeypatch.setattr(pools, "_limits", {})
