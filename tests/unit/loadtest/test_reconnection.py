from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from perfloop.loadtest.reconnection import Retry, backoff, worth_retrying


def test_back_off_starts_at_once_doubles_and_is_bounded() -> None:
    waits = [backoff(attempts) for attempts in range(12)]
    assert waits[:5] == [0.0, 0.01, 0.02, 0.04, 0.08]
    assert max(waits) == 0.25 == waits[-1]
    assert waits == sorted(waits)
    assert backoff(10_000) == 0.25


def connection(**changes: object) -> Any:
    given = {"number": 7, "index": 2, "due": 1.5, "retried": 0, "attempts": 0, "unprocessed": False, "served": True}
    return SimpleNamespace(**(given | {"written": 2.0, "opened": 1.9} | changes))


@pytest.mark.parametrize(
    ("changes", "idempotent", "worth"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"served": False}, True, False),
        ({"served": False, "opened": 0.5}, True, True),
        ({"retried": 7, "attempts": 1}, True, False),
        ({"retried": 6, "attempts": 1}, True, True),
        ({"unprocessed": True, "served": False}, False, True),
        ({"unprocessed": True, "retried": 7, "attempts": 3}, False, True),
        ({"unprocessed": True, "retried": 7, "attempts": 4}, False, False),
        ({"unprocessed": True, "retried": 6, "attempts": 4}, False, True),
    ],
)
def test_what_is_sent_again(changes: dict[str, object], idempotent: bool, worth: bool) -> None:
    assert worth_retrying(connection(**changes), idempotent=idempotent) is worth


def test_a_retry_counts_the_attempts_of_its_request() -> None:
    assert Retry.of(connection()) == (7, 2, 1.5, 1)
    assert Retry.of(connection(retried=7, attempts=2)) == (7, 2, 1.5, 3)
    assert Retry.of(connection(retried=6, attempts=2)) == (7, 2, 1.5, 1)
