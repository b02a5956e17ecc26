"""No library of this process is hooked: other tests use them too."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfloop.monitoring.requests.breakdown._apply_hooks", lambda: None)
