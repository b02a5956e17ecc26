from __future__ import annotations

import pytest

from perfloop.diagnosis.rules import blocking_call_in_async, cpu_bound, loop_blocked_by_cpu
from perfloop.monitoring.observations import LongStep, Stack

from ..synthetic import MS, Call, Run, Sent, frame, library, source

TEXT = """\
async def report():
    return {"total": crunch(100_000)}

def crunch(n):
    return sum(i * i for i in range(n))
"""


def faulty(frames=None, *, cpu_share: float = 1.0) -> Run:
    hot = frames or [frame(5, function="<genexpr>"), frame(5, function="crunch"), frame(2, function="report")]
    requests = [
        Sent(route="/report", parts={"cpu": 60 * MS}, is_async=True)
        if number % 2
        else Sent(route="/ping", is_async=True)
        for number in range(100)
    ]
    steps = [
        LongStep(
            pid=100, route="/report", started=1_000 + number * 0.05, wall=60 * MS, cpu=60 * MS * cpu_share, stack=hot
        )
        for number in range(2, 102, 2)
    ]
    stacks = [
        Stack(pid=100, route="/report", frames=hot, samples=280, cpu_seconds=2.8),
        Stack(pid=100, route="/report", frames=[library("fastapi")], samples=20, cpu_seconds=0.2),
    ]
    return Run(requests, long_steps=steps, stacks=stacks, texts=source(TEXT), capacity_rps=32, interval=0.1, cores=2)


def test_names_function_and_line_and_frees_the_others() -> None:
    (finding,) = loop_blocked_by_cpu.RULE.find(faulty().evidence())
    assert finding.rule == "loop-blocked-by-cpu"
    assert (finding.place.line, finding.place.function) == (5, "crunch")
    assert "50 steps of GET /report" in finding.evidence
    assert "GET /ping had to wait" in finding.evidence
    assert "run crunch off the loop" in finding.fix
    # Two processors do it now, and the computing is not saved.
    assert finding.predicted.capacity_rps[1] > 40
    assert finding.predicted.p50_ms[1] > 50


def alone(*, cpu: float = 22 * MS, capacity_rps: float = 25.8, cores: int = 2) -> Run:
    """One route, one request at a time, on a machine that kept the processor from it: 41 ms for `cpu` of computing."""
    run = faulty(cpu_share=0.55)
    waited = 41 * MS - cpu
    run.requests = [Sent(route="/report", parts={"cpu": cpu, "interpreter_wait": waited}, is_async=True)] * 100
    run.capacity_rps, run.cores = capacity_rps, cores
    return run


def test_moving_the_computing_away_does_not_make_it_shorter() -> None:
    """Nothing queues behind it, so nothing is gained but a second processor."""
    run = alone()
    (finding,) = loop_blocked_by_cpu.RULE.find(run.evidence())
    measured = 41.2
    for predicted in (finding.predicted.p50_ms, finding.predicted.p99_ms):
        assert min(predicted) >= 0.97 * measured
        assert predicted[1] == pytest.approx(measured, rel=0.1)
    low, estimate, high = finding.predicted.capacity_rps
    assert 1.5 * run.capacity_rps < estimate <= 2 * run.capacity_rps
    # Whether the second processor is free when the pool wants it, nobody knows.
    assert run.capacity_rps <= low < 1.6 * run.capacity_rps
    assert high <= 2 * run.capacity_rps


def test_without_a_second_processor_there_is_no_gain() -> None:
    assert loop_blocked_by_cpu.RULE.find(alone(cores=1).evidence()) == []


def test_other_programs_take_the_gain_but_not_the_finding() -> None:
    run = alone(cores=1)
    run.allowed_cores = 2
    (finding,) = loop_blocked_by_cpu.RULE.find(run.evidence())
    assert finding.predicted.capacity_rps[1] == pytest.approx(run.capacity_rps, rel=0.05)
    assert finding.share_of_time > 0.8


def test_the_routes_that_waited_are_predicted_too() -> None:
    run = faulty()
    waiting = Sent(route="/ping", before=45 * MS, is_async=True)
    run.requests = [waiting if sent.route == "/ping" else sent for sent in run.requests]
    run.interval = 0.02
    (finding,) = loop_blocked_by_cpu.RULE.find(run.evidence())
    assert [gain.route for gain in finding.others] == ["GET /ping"]
    assert finding.others[0].p99_ms[1] < 30


def test_the_same_cause_is_not_found_twice() -> None:
    evidence = faulty().evidence()
    assert cpu_bound.RULE.find(evidence) == []
    assert blocking_call_in_async.RULE.find(evidence) == []


def test_frameworks_alone_are_no_finding() -> None:
    assert loop_blocked_by_cpu.RULE.find(faulty([library("pydantic"), frame(2)]).evidence()) == []


def test_blocked_steps_are_not_computing() -> None:
    assert loop_blocked_by_cpu.RULE.find(faulty(cpu_share=0.02).evidence()) == []


def test_a_statement_that_computes_is_not_the_users_computing() -> None:
    run = faulty()
    run.statements, run.sites = ["SELECT count(*) FROM big"], [[frame(2)]]
    for sent in run.requests:
        if sent.route == "/report":
            sent.parts, sent.calls = {"cpu": 1 * MS}, [Call(0, 0, 59 * MS, on_loop=True)]
    run.long_steps = [
        LongStep(
            pid=100, route="/report", started=1_000.0001 + number * 0.1, wall=60 * MS, cpu=60 * MS, stack=[frame(2)]
        )
        for number in range(2, 102, 2)
    ]
    assert loop_blocked_by_cpu.RULE.find(run.evidence()) == []


def test_one_slow_step_is_an_accident() -> None:
    run = faulty()
    run.long_steps = run.long_steps[:1]
    assert loop_blocked_by_cpu.RULE.find(run.evidence()) == []
