from __future__ import annotations

import pytest

from perfloop.exceptions import InvalidValue
from perfloop.telemetry import Event


class Ticks:
    def __init__(self) -> None:
        self.moment = 0.0

    def now(self) -> float:
        self.moment += 1
        return self.moment


def test_keeps_the_last_and_counts_the_rest() -> None:
    event = Event(capacity=2, clock=Ticks())
    for state in ("open", "half-open", "closed"):
        event.record(state=state)
    snapshot = event.snapshot()
    assert (snapshot.count, snapshot.dropped, event.value) == (3, 1, 3)
    assert [(kept.at, kept.attributes) for kept in snapshot.kept] == [
        (2.0, {"state": "half-open"}),
        (3.0, {"state": "closed"}),
    ]


def test_what_was_drained_is_not_dropped() -> None:
    event = Event(capacity=2, clock=Ticks())
    for _ in range(2):
        event.record()
    assert len(event.drain().kept) == 2
    for _ in range(2):
        event.record()
    taken = event.drain()
    assert (taken.count, taken.dropped, len(taken.kept)) == (4, 0, 2)
    assert event.snapshot().kept == []


def test_a_snapshot_does_not_change() -> None:
    event = Event()
    event.record(size=1)
    before = event.snapshot()
    event.record(size=2)
    assert len(before.kept) == 1


def test_capacity_below_one() -> None:
    with pytest.raises(InvalidValue, match="capacity"):
        Event(capacity=0)
