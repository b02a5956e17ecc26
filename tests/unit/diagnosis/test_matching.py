from __future__ import annotations

import numpy as np
import pytest

from perfloop.diagnosis.matching import CLIENT_PARTS, match, with_parts
from perfloop.monitoring.observations import PARTS
from perfloop.records import SlowRequest

from .synthetic import MS, Call, Run, Sent


def test_parts_sum_to_latency_and_carry_both_sides() -> None:
    run = Run([Sent(parts={"cpu": 3 * MS, "database": 5 * MS}, before=2 * MS, after=1 * MS, queue=4 * MS, send_lag=MS)])
    (request,) = match(run.observations(), run.samples()).requests
    assert request.latency == pytest.approx(16 * MS)
    assert sum(request.parts.values()) == pytest.approx(request.latency)
    assert request.parts["queue"] == pytest.approx(4 * MS)
    assert request.parts["send_lag"] == pytest.approx(1 * MS)
    assert request.parts["event_loop_wait"] == pytest.approx(2 * MS)
    assert request.parts["network"] == pytest.approx(1 * MS)
    assert request.parts["database"] == pytest.approx(5 * MS)


def test_waiting_for_a_service_without_loop_is_waiting_for_a_worker() -> None:
    run = Run([Sent(before=2 * MS)], loop=False)
    (request,) = match(run.observations(), run.samples()).requests
    assert request.parts["worker_wait"] == pytest.approx(2 * MS)
    assert request.parts["event_loop_wait"] == 0


def test_what_the_agent_left_out_is_unaccounted() -> None:
    run = Run([Sent()])
    observations = run.observations()
    observations.requests[0].parts["cpu"] = 0.5 * MS
    (request,) = match(observations, run.samples()).requests
    assert request.parts["unaccounted"] == pytest.approx(1.5 * MS)


def test_unmatched_requests_are_counted_and_noted() -> None:
    run = Run([Sent(), Sent(), Sent(), Sent(status=0)])
    observations = run.observations()
    del observations.requests[1]
    found = match(observations, run.samples())
    assert [request.number for request in found.requests] == [1, 3]
    assert (found.unseen_by_agent, found.transport_errors, found.unknown_to_generator) == (1, 1, 0)
    assert "1 of 3 answered requests" in found.notes()[0]
    assert "1 requests failed" in found.notes()[1]


def test_everything_matched_needs_no_note() -> None:
    run = Run([Sent()] * 3)
    assert match(run.observations(), run.samples()).notes() == []


def test_a_span_of_another_run_does_not_match() -> None:
    run = Run([Sent()])
    samples = run.samples()
    samples.due = samples.due + 100
    samples.free = samples.free + 100
    samples.written = samples.written + 100
    samples.done = samples.done + 100
    found = match(run.observations(), samples)
    assert found.requests == ()
    assert found.unseen_by_agent == 1


def test_requests_of_others_and_unfinished_ones_are_not_ours() -> None:
    run = Run([Sent(), Sent()])
    samples = run.samples()
    for name in ("number", "request_index", "due", "free", "written", "done", "status"):
        setattr(samples, name, getattr(samples, name)[:1])
    found = match(run.observations(), samples)
    assert len(found.requests) == 1
    assert found.unknown_to_generator == 1


def test_overlapping_stamps_never_make_parts_exceed_the_latency() -> None:
    run = Run([Sent(calls=[Call(0, 0, 5 * MS)])], statements=["SELECT 1"], sites=[[]])
    samples = run.samples()
    samples.done = samples.done - 0.4 * MS
    (request,) = match(run.observations(), samples).requests
    assert sum(request.parts.values()) == pytest.approx(request.latency)
    assert min(request.parts.values()) >= 0


def test_no_samples() -> None:
    run = Run([])
    found = match(run.observations(), run.samples())
    assert found.requests == ()
    assert np.size(run.samples().due) == 0


def test_client_parts_hold_all_of_the_agents() -> None:
    assert set(PARTS) <= set(CLIENT_PARTS)
    assert len(set(CLIENT_PARTS)) == len(CLIENT_PARTS)


def test_a_slow_request_opens_its_breakdown() -> None:
    run = Run([Sent(), Sent(parts={"cpu": 3 * MS, "database": 5 * MS})])
    matched = match(run.observations(), run.samples()).requests
    slow = [
        SlowRequest(trace_id="0" * 32, span_id=f"{number:016x}", request="GET /", due_seconds=0.0, latency_ms=8.0)
        for number in (2, 77)
    ]
    seen, unseen = with_parts(slow, matched)
    assert seen.parts_ms["database"] == pytest.approx(5.0)
    assert sum(seen.parts_ms.values()) == pytest.approx(matched[1].latency * 1e3)
    assert unseen == slow[1]
