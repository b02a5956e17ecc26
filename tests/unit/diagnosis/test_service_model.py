from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from .synthetic import MS, Call, Run, Sent


def model_of(run: Run):
    return run.evidence().model


def statements(seconds: float, *, on_loop: bool = False, **changes) -> Run:
    sent = Sent(calls=[Call(0, 0, seconds, on_loop=on_loop)], before=0, after=0, **changes)
    return Run([sent] * 50, statements=["SELECT 1"], sites=[[]])


def test_database_time_of_threads_is_shared_as_the_capacity_says() -> None:
    run = statements(8 * MS)
    run.requests = [*run.requests, Sent(pid=100)]
    run.interval = 0.001  # they overlap
    run.capacity_rps = 1 / (2 * MS + 0.25 * 8 * MS)
    model = model_of(run)
    assert not model.one_at_a_time
    assert model.database_share == pytest.approx(0.25, abs=0.03)
    assert model.bottleneck_seconds(model.work) == pytest.approx(1 / run.capacity_rps, rel=0.02)


def test_statements_on_the_loop_hold_it_and_others_do_not() -> None:
    on_loop = model_of(statements(8 * MS, on_loop=True, is_async=True))
    assert on_loop.demand(on_loop.work).exclusive == pytest.approx(
        np.full(50, on_loop.bottleneck_seconds(on_loop.work))
    )
    apart = model_of(statements(8 * MS, is_async=True))
    assert apart.demand(apart.work).delay == pytest.approx(np.full(50, 8 * MS))


def test_a_sleeping_handler_holds_the_loop_only_when_async() -> None:
    held = model_of(Run([Sent(parts={"cpu": 1 * MS, "blocking": 20 * MS}, is_async=True)] * 20, capacity_rps=47))
    assert held.demand(held.work).exclusive.min() >= 20 * MS
    run = Run([Sent(parts={"cpu": 1 * MS, "blocking": 20 * MS})] * 20, interval=0.001, capacity_rps=900)
    threaded = model_of(run)
    assert threaded.demand(threaded.work).interpreter.max() < 5 * MS
    assert threaded.demand(threaded.work).delay == pytest.approx(np.full(20, 20 * MS))


def test_one_worker_at_a_time_is_held_by_waiting_too() -> None:
    run = Run([Sent(parts={"cpu": 1 * MS, "upstream": 9 * MS})] * 50, loop=False, capacity_rps=100)
    model = model_of(run)
    assert model.one_at_a_time
    assert model.demand(model.work).exclusive == pytest.approx(np.full(50, 10 * MS), rel=0.05)


def test_capacity_is_no_more_than_the_connections_carry() -> None:
    run = Run([Sent(parts={"cpu": 1 * MS, "blocking": 50 * MS}, is_async=True)] * 50, capacity_rps=19.6, in_flight=10)
    model = model_of(run)
    free = replace(model.work, blocking=np.zeros(50), wait=np.full(50, 50 * MS))
    assert model.capacity(free) == pytest.approx(10 / 51e-3, rel=0.1)
    assert model.capacity(model.work) == pytest.approx(19.6)


def test_servers_own_work_is_kept_apart() -> None:
    # The application needs 1 ms; the capacity says 1.5 ms; 0.3 ms pass outside it when nothing else goes on.
    run = Run(
        [Sent(parts={"cpu": 1 * MS}, before=0.2 * MS, after=0.1 * MS, is_async=True)] * 50, capacity_rps=1 / 1.5e-3
    )
    model = model_of(run)
    assert model.overhead == pytest.approx(0.3 * MS)
    assert model.stretch == pytest.approx(1.2)


def test_a_long_run_is_cut_in_the_middle() -> None:
    model = model_of(Run([Sent()] * 2_500))
    assert len(model.requests) == 2_000
    assert model.requests[0].number == 251
