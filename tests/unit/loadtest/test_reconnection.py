from __future__ import annotations

from perfloop.loadtest.reconnection import backoff


def test_back_off_starts_at_once_doubles_and_is_bounded() -> None:
    waits = [backoff(attempts) for attempts in range(12)]
    assert waits[:5] == [0.0, 0.01, 0.02, 0.04, 0.08]
    assert max(waits) == 0.25 == waits[-1]
    assert waits == sorted(waits)
    assert backoff(10_000) == 0.25
