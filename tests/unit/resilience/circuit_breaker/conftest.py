"""Each test of this directory, with the interpreter's lock to rely on, and as without one."""

from __future__ import annotations

import pytest

from perfloop.resilience.circuit_breaker import breaker, circuit, keyed


@pytest.fixture(params=[False, True], ids=["", "every call locks"], autouse=True)
def locking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (breaker, circuit, keyed):
        monkeypatch.setattr(module, "EVERY_CALL_LOCKS", request.param)
