from __future__ import annotations

import msgspec
import pytest

from perfloop.cli.capacity import _status, probe_line
from perfloop.records import CapacityProbe, CapacityRecord, Figures

from ..reporting.sample_capacities import capacity, hopeless_capacity, interrupted_capacity, limited_capacity

PROBE = CapacityProbe(
    model="open",
    rate=413.6,
    connections=64,
    seconds=4.0,
    requests=1655,
    errors=0,
    throughput=399.2,
    latency_ms=Figures(p99=146.0),
    verdict="met",
)


def test_a_probe_in_a_line() -> None:
    assert probe_line(PROBE) == "413.6 requests/s for 4 s: p99 146 ms, met"
    missed = msgspec.structs.replace(PROBE, verdict="missed", reasons=["p99<100ms: measured 146 ms"])
    assert probe_line(missed).endswith("p99 146 ms, missed: p99<100ms: measured 146 ms")
    closed = msgspec.structs.replace(PROBE, model="closed", rate=None, verdict="measured")
    assert probe_line(closed) == "64 in flight: 399.2 requests/s, p99 146 ms"


@pytest.mark.parametrize(
    ("record", "least", "status"),
    [
        (capacity(), None, 0),
        (capacity(), 300.0, 0),
        (capacity(), 500.0, 1),
        (hopeless_capacity(), None, 1),
        (limited_capacity(), 500.0, 3),
        (interrupted_capacity(), 500.0, 130),
        (msgspec.structs.replace(interrupted_capacity(), partial=False), None, 3),
    ],
)
def test_the_exit_status(record: CapacityRecord, least: float | None, status: int) -> None:
    assert _status(record, least, resumable=True, explain=False) == status
