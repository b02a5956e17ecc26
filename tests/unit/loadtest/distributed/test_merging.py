"""Several recorders that are followed add up to the one that saw everything."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from perfloop.loadtest.connector import Openings
from perfloop.loadtest.distributed.following import Follower
from perfloop.loadtest.distributed.merging import Merged
from perfloop.loadtest.distributed.messages import decode_from_worker, frame
from perfloop.loadtest.failures import FailureTally
from perfloop.loadtest.outcome import Progress
from perfloop.loadtest.recording import DISTRIBUTIONS, Recorder, figures
from perfloop.loadtest.scenario.groups import Groups

LABELS = ["GET /a", "GET /b", "GET /c"]
NAN = float("nan")


def engine() -> SimpleNamespace:
    recorder = Recorder(LABELS, None)
    recorder.start = 100.0
    return SimpleNamespace(recorder=recorder, openings=Openings(), events=FailureTally(), groups=Groups())


def progress(elapsed: float, **others) -> Progress:
    given_ = {"requests": 0, "errors": 0, "backlog": 0, "rate": 0.0, "p50_ms": None, "p99_ms": None}
    return Progress(elapsed=elapsed, duration=9.0, in_flight=1, bytes_received=0, connections=2, **(given_ | others))


def put(target: SimpleNamespace, number: int, done: float, latency: float, index: int, status: int) -> None:
    due = 100 + done - latency
    free = due + latency / 8
    written = NAN if status == -2 else free + latency / 8
    target.recorder.put(due, NAN if status == -2 else free, written, 100 + done, 100 + done, number, 10, index, status)
    if status in (0, -1, -2):
        target.recorder.failures.add(f"kind {status}", "example")


requests = st.tuples(
    st.integers(0, 2),
    st.floats(0, 0.9),
    st.floats(1e-4, 2.0),
    st.integers(0, 2),
    st.sampled_from([200, 200, 200, 404, 500, 0, -1, -2]),
    st.booleans(),
)


def following(workers: int) -> tuple[list[SimpleNamespace], list[Follower], Merged]:
    engines = [engine() for _ in range(workers)]
    return engines, [Follower(one) for one in engines], Merged(workers, 9.0)


def tell(merged: Merged, index: int, follower: Follower, elapsed: float) -> None:
    merged.add(index, decode_from_worker(frame(follower.report(progress(elapsed)))[4:]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(requests, max_size=12), min_size=1, max_size=4))
def test_what_workers_recorded_adds_up(seconds) -> None:
    engines, followers, merged = following(3)
    whole = engine()
    number = 0
    for second, entries in enumerate(seconds):
        for worker, within, latency, index, status, report in entries:
            number += 1
            for target in (engines[worker], whole):
                put(target, number, second + within, latency, index, status)
                if status == 200:
                    target.groups.add("journey", latency)
                else:
                    target.groups.add_failed("journey")
                target.openings.connect.record(round(latency * 1e6))
            if report:
                engines[worker].recorder.fold(1, second + within)
                tell(merged, worker, followers[worker], second + within)
        for target in (*engines, whole):
            target.recorder.fold(1, second + 1)
    whole.recorder.finish()
    for index, (one, follower) in enumerate(zip(engines, followers, strict=True)):
        tell(merged, index, follower, len(seconds))
        one.recorder.finish()
        tell(merged, index, follower, len(seconds))
        merged.leave(index)
    merged.recorder.finish()

    got, expected = merged.recorder, whole.recorder
    assert (got.requests, got.errors, got.bytes_received) == (
        expected.requests,
        expected.errors,
        expected.bytes_received,
    )
    assert got.statuses == expected.statuses
    assert got.failures.counts() == expected.failures.counts()
    assert got.latency == expected.latency
    for name in DISTRIBUTIONS:
        assert getattr(got, name) == getattr(expected, name), name
    assert merged.openings.connect == whole.openings.connect
    assert sorted(got.endpoints.results(1, figures), key=lambda one: one.label) == sorted(
        expected.endpoints.results(1, figures), key=lambda one: one.label
    )
    assert merged.groups.results() == whole.groups.results()

    def course(recorder: Recorder) -> list[tuple]:
        points = [
            (one.second, one.requests, one.errors, one.bytes_received, one.p50_ms, one.p99_ms, one.max_ms)
            for one in recorder.series
        ]
        while points and not points[-1][1]:
            points.pop()
        return points

    assert course(got) == course(expected)
    assert sum(merged.counted(index)[0] for index in range(3)) == expected.requests


def test_a_second_is_closed_once_no_worker_can_add_to_it() -> None:
    engines, followers, merged = following(2)
    put(engines[0], 1, 0.5, 0.1, 0, 200)
    engines[0].recorder.fold(1, 2.2)
    tell(merged, 0, followers[0], 2.2)
    assert merged.recorder.series == []
    put(engines[1], 2, 0.7, 0.2, 0, 200)
    engines[1].recorder.fold(3, 1.1)
    tell(merged, 1, followers[1], 1.1)
    assert [(point.second, point.requests, point.max_ms) for point in merged.recorder.series] == [(0, 2, 200.0)]


def test_a_lost_worker_holds_up_nothing() -> None:
    engines, followers, merged = following(2)
    put(engines[0], 1, 0.5, 0.1, 0, 200)
    engines[0].recorder.fold(1, 1.2)
    tell(merged, 0, followers[0], 1.2)
    merged.leave(1)
    assert [(point.second, point.requests) for point in merged.recorder.series] == [(0, 1)]
    assert merged.elapsed_at(0) == 1.2
    assert merged.elapsed_at(1) == 0.0


def test_progress_is_of_all() -> None:
    engines, followers, merged = following(2)
    assert merged.progress() is None
    for index, follower in enumerate(followers):
        put(engines[index], 1, 0.5, 0.1, 0, 200)
        engines[index].recorder.fold(1, 0.6)
        report = follower.report(progress(0.6, rate=3.0, target_rate=5.0, backlog=2, phase="ramp", planned_rate=4.0))
        merged.add(index, report)
    got = merged.progress()
    assert (got.requests, got.in_flight, got.backlog, got.connections) == (2, 2, 4, 4)
    assert (got.rate, got.target_rate, got.phase, got.planned_rate) == (6.0, 10.0, "ramp", 8.0)
    assert got.p50_ms == 100.0
