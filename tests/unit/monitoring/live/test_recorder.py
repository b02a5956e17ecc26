from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from perfloop.monitoring import Observations, ProcessInfo, ResourceSample, Use
from perfloop.monitoring.live import LiveRecorder, LiveState, RouteFigures
from perfloop.monitoring.live.recorder import ALL_ROUTES, OTHER_ROUTES
from perfloop.monitoring.live.resources import ProcessReading, Reading
from perfloop.monitoring.readiness import PROBE_SPAN
from perfloop.targets import Targets

from .test_slowest import TRACE


def recorder(**more: Any) -> LiveRecorder:
    return LiveRecorder("shop", **{"processors": 2, "memory_bytes": 1000, "now": 100.0, "epoch": 5000.0, **more})


def trace(at: float, duration: float = 0.1, **more: Any) -> Any:
    return replace(TRACE, started=at - duration, first_byte=at, ended=at, statements=[], **more)


def seen(*requests: Any, pids: tuple[int, ...] = (7,), **more: Any) -> Observations:
    processes = {pid: ProcessInfo(pid=pid, parent=1, python="3", argv=[], frameworks=[]) for pid in pids}
    return Observations(processes=processes, requests=list(requests), **more)


def of(state: LiveState, route: str) -> RouteFigures:
    return next(each for each in state.routes if each.route == route)


def test_requests_become_figures_by_route() -> None:
    live = recorder()
    live.add(seen(trace(101), trace(101.5), trace(102, 0.4, route="/slow", status=503)), 102)
    live.add(seen(trace(103, error="ValueError", status=0)), 103)
    state = live.state(110.0)
    assert (state.status, state.requests, state.failed, state.uptime_seconds) == ("running", 4, 2, 10.0)
    assert (state.all_routes.route, state.all_routes.requests, state.all_routes.rate) == (ALL_ROUTES, 4, 0.4)
    orders = of(state, "GET /orders")
    assert (orders.requests, orders.failed) == (3, 1)
    assert orders.parts_ms == {"cpu": 50.0, "database": 200.0}
    assert 100 <= (orders.p99_ms or 0) <= 104
    assert [each.duration_ms for each in state.slowest] == [400.0, 100.0, 100.0, 100.0]
    assert state.slowest[0].ended == 5102.0
    assert state.points is not None
    assert state.points.rate[-10:] == [0, 2, 1, 1, 0, 0, 0, 0, 0, 0]
    assert state.points.at[-10] == 5100.0


def test_routes_that_are_silent_give_way_and_too_many_are_one() -> None:
    live = recorder()
    for number in range(500):
        live.add(seen(trace(101, route=f"/{number}")), 101)
    state = live.state(102)
    assert len(state.routes) == 101
    assert of(state, OTHER_ROUTES).requests == 400
    later = live.state(200)
    assert (later.status, later.routes, later.requests) == ("idle", [], 500)
    live.add(seen(trace(201, route="/new")), 201)
    assert [each.route for each in live.state(201).routes] == ["GET /new"]


def test_our_own_requests_for_readiness_are_not_counted() -> None:
    live = recorder()
    live.add(seen(trace(101, 5.0, span=PROBE_SPAN), trace(102, 0.2, span=None)), 102)
    state = live.state(102)
    assert state.requests == 1
    assert [each.duration_ms for each in state.slowest] == [200.0]
    assert live.find(f"{PROBE_SPAN:016x}") is None


def test_a_request_with_a_span_is_found_though_it_was_not_among_the_slowest() -> None:
    live = recorder()
    slow = [trace(101 + number / 100, 5.0, span=None) for number in range(50)]
    live.add(seen(*slow, trace(102, 0.2, span=0xABC)), 102)
    assert 200.0 not in [each.duration_ms for each in live.state(102).slowest]
    found = live.find("0000000000000ABC")
    assert found is not None
    assert found.duration_ms == 200.0
    assert live.find("0" * 16) is None


def test_workers_that_end_and_come_back_are_told_and_nothing_is_lost() -> None:
    live = recorder()
    live.add(seen(trace(101)), 101)
    live.add(seen(pids=()), 102)
    live.add(seen(trace(103), pids=(8,)), 103)
    state = live.state(104)
    assert state.events == [(5101.0, "process 7 serves"), (5102.0, "process 7 has ended"), (5103.0, "process 8 serves")]
    assert state.requests == 2


def test_use_of_processors_memory_and_database() -> None:
    live = recorder(targets=Targets(cpu=0.5))
    live.add_reading(Reading(101, {7: ProcessReading(1.0, 100, 3), 9: ProcessReading(5.0, 100, 1)}))
    # Another process came: what it burned before is not of this second.
    live.add_reading(Reading(102, {7: ProcessReading(2.5, 200, 3), 8: ProcessReading(60.0, 300, 2)}))
    samples = [
        ResourceSample(pid=7, at=at, cpu_seconds=0, rss_bytes=0, threads=1, loop_lag=lag, commits=commits)
        for at, lag, commits in ((100.5, 0.02, 10), (102.5, 0.001, 30))
    ]
    live.add(seen(resources=samples), 102.5)
    live.set_resources([Use(resource="processors", utilisation=0.75), Use(resource="memory", utilisation=0.5)])
    state = live.state(103)
    used = state.usage
    assert used is not None
    assert (used.processes, used.threads, used.cpu, used.cpu_share) == (2, 5, 1.5, 0.75)
    assert (used.rss_bytes, used.memory_share, used.loop_lag_ms, used.commits_per_second) == (500, 0.5, 20.0, 10.0)
    assert [use.resource for use in state.resources] == ["processors", "memory"]
    outcomes = {each.name: (each.outcome, each.measured, each.configured) for each in state.targets}
    assert outcomes["cpu"] == ("missed", 75.0, True)
    assert outcomes["memory"] == ("met", 50.0, True)
    assert outcomes["disk"] == ("not measured", None, True)
    assert outcomes["latency_p50"] == ("not measured", None, True)
    assert state.points is not None
    assert state.points.cpu[-2:] == [None, 1.5]


def test_error_budgets_burn_and_give_alerts() -> None:
    live = recorder(targets=Targets(latency_p99=0.3))
    live.judge(100.0)
    assert live.state(100.0).alerts == []
    for second in range(101, 130):
        live.count("GET /a", second, 0.1, count=8)
        live.count("GET /a", second, 0.5, count=1)
        live.count("GET /a", second, 0.1, count=1, failed=True)
    judged = live.judge(130.0)
    assert {each.name for each in judged if each.burning} == {"latency_p99"}
    state = live.state(131.0)
    budgets = {budget.target: budget for budget in state.budgets}
    # One in five was slower than 0.3 s, or failed; one in a hundred may be.
    assert (budgets["latency_p99"].share, budgets["latency_p99"].burning) == (0.01, "fast")
    assert budgets["latency_p99"].burns == {"fast": 20.0, "slow": 20.0}
    assert budgets["cpu"].burns == {"fast": None, "slow": None}
    assert "requests_per_second" not in budgets
    (alert,) = state.alerts
    assert (alert.at, alert.target, alert.state, alert.window, alert.firing) == (
        *(5130.0, "latency_p99", "firing", "fast"),
        True,
    )


def test_states_before_and_after() -> None:
    live = recorder()
    assert live.state(100.0, ready=False).status == "starting"
    assert live.state(100.0).status == "idle"
    live.add(Observations(dropped=1200), 101)
    ended = live.state(101.0, ended=True, notes=["a note"], points=False)
    assert (ended.status, ended.points) == ("ended", None)
    assert ended.notes == ["a note", "1,200 records were lost: too many to be taken"]
    assert msgspec.json.decode(msgspec.json.encode(ended))["window_seconds"] == 60


def test_many_requests_at_once_as_a_middleware_counts_them() -> None:
    live = recorder()
    live.count("GET /a", 101.0, 0.1, count=50)
    live.count("GET /a", 101.0, 0.2, count=1, failed=True)
    figures = of(live.state(102.0), "GET /a")
    assert (figures.requests, figures.failed) == (51, 1)


def test_a_state_stays_small_after_days() -> None:
    live = recorder()
    for hour in range(100):
        now = 100.0 + hour * 3600
        live.add(seen(trace(now, 0.1 + hour / 1000), pids=(hour,)), now)
        live.add_reading(Reading(now, {hour: ProcessReading(1.0, 1, 1)}))
    state = live.state(now + 1)
    assert len(state.events) == 20
    assert len(state.slowest) == 1
    assert state.points is not None
    assert len(state.points.at) == 300
    assert len(msgspec.json.encode(state)) < 50_000
