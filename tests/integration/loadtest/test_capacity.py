"""The search for capacity against real servers whose capacity is known.

Probes are short here and the machine may be busy, so nothing depends on how precise the answer is: `python -m
benchmarks capacity` shows that.
"""

from __future__ import annotations

import asyncio

import pytest
from benchmarks.slots import slot_server

from perfloop.exceptions import UnreachableTarget
from perfloop.loadtest import CapacityOptions, LoadOptions, find_capacity, find_capacity_sync
from perfloop.records import CapacityProbe, load_record, save_record

from ...servers.processes import free_port
from .http2_serving import nginx


def options(url: str, **values) -> CapacityOptions:
    return CapacityOptions(
        **{"load": LoadOptions(url=url), "targets": ("p90<100ms",), "probe": 0.4, "budget": 4.0, **values}
    )


@pytest.fixture(scope="module")
def server():
    with slot_server(2, 0.005) as running:
        yield running


def test_the_search_ends_around_what_the_slots_can_do(server) -> None:
    seen: list[CapacityProbe] = []
    record = find_capacity_sync(options(server.url, budget=3.0), on_probe=seen.append)
    assert seen == record.probes
    assert not record.partial
    assert [probe.connections for probe in seen if probe.model == "closed"][:3] == [1, 2, 4]
    opened = [probe for probe in seen if probe.model == "open"]
    assert opened
    assert max(probe.rate for probe in opened) < 2 * server.slots / 0.005
    assert record.goals == ["p90<100ms", "errors<=0.1%"]
    assert (record.usl is None) != (record.usl_missing is None)
    met = [probe.rate for probe in opened if probe.verdict == "met"]
    assert record.highest_met_rps == max(met, default=None)
    if record.verdict == "found":
        low, estimate, high = record.capacity_rps
        assert low < estimate < high
        # A busy machine makes the slots slower, never faster.
        assert estimate < 1.1 * server.slots / 0.005
    else:
        assert record.reasons


async def test_a_stopped_search_is_partial_and_goes_on_where_it_was(server, tmp_path) -> None:
    stop = asyncio.Event()
    seen: list[CapacityProbe] = []

    def stop_soon(probe: CapacityProbe) -> None:
        seen.append(probe)
        if len(seen) == 3:
            stop.set()

    first = await find_capacity(options(server.url), on_probe=stop_soon, stop=stop)
    assert (first.partial, first.verdict, first.limited_by) == (True, "not enough data", "interruption")
    assert first.probes == seen
    save_record(first, tmp_path / "first.json")
    more: list[CapacityProbe] = []
    second = await find_capacity(
        options(server.url, budget=1.0), on_probe=more.append, resume=load_record(tmp_path / "first.json")
    )
    assert not second.partial
    assert second.probes == [*first.probes, *more]


async def test_stopped_before_anything_was_measured_there_is_no_record(server) -> None:
    stop = asyncio.Event()
    stop.set()
    with pytest.raises(asyncio.CancelledError):
        await find_capacity(options(server.url), stop=stop)


def test_overload_is_ended_early_and_waited_for() -> None:
    # A target below the time of a single request: every open probe misses it.
    with slot_server(1, 0.02) as slow:
        for budget in (1.0, 4.0, 16.0):
            record = find_capacity_sync(options(slow.url, targets=("p50<5ms",), budget=budget))
            opened = [probe for probe in record.probes if probe.model == "open"]
            if opened:  # else the machine was busy, and the budget went on closed ones
                break
    assert opened
    assert not any(probe.verdict == "met" for probe in opened)
    assert all(probe.recovery_seconds > 0 for probe in opened if probe.verdict == "missed")


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(UnreachableTarget):
        find_capacity_sync(options(f"http://127.0.0.1:{free_port()}/"))


def test_over_http2_what_counts_is_requests_in_flight(tmp_path) -> None:
    with nginx(tmp_path) as url:
        load = LoadOptions(url=url, http2=True, streams=4)
        record = find_capacity_sync(options(url, load=load, probe=0.2, budget=1.0, most_connections=8))
    assert [probe.connections for probe in record.probes if probe.model == "closed"][:4] == [1, 2, 4, 8]
    assert sum(probe.errors for probe in record.probes) == 0
    assert (record.plan.connections, record.plan.streams) == (2, 4)
