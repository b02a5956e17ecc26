from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest.recording import TIMEOUT_STATUS, Recorder
from perfloop.loadtest.slowest import Slowest

NAN = float("nan")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LABELS = ["GET /a", "GET /b?token=s3cret"]


def recorder(most: int = 3) -> Recorder:
    made = Recorder(LABELS, None)
    made.start = 100.0
    made.slowest = Slowest(TRACE, LABELS, most)
    return made


def test_a_slow_request_is_told_with_what_it_is_found_by() -> None:
    record = recorder()
    record.put(100.5, 100.6, 100.6, 100.7, 101.0, 42, 50, 1, 503)
    record.finish()
    assert record.slowest is not None
    (slow,) = record.slowest.requests(record.start)
    assert (slow.trace_id, slow.span_id) == (TRACE, "000000000000002a")
    assert slow.request == "GET /b?token=***"
    assert (slow.due_seconds, slow.latency_ms, slow.queue_ms, slow.status) == (0.5, 500.0, 100.0, 503)
    assert slow.parts_ms == {}


def test_those_given_up_count_with_what_they_waited_and_those_without_answer_do_not() -> None:
    record = recorder()
    record.put(100.0, 100.0, 100.0, 0.0, 102.0, 1, 0, 0, TIMEOUT_STATUS)
    record.put(100.0, 100.0, 100.0, 0.0, 109.0, 2, 0, 0, 0)
    record.fold()
    record.add_never_sent(3, np.array([100.0]), np.array([0], dtype=np.int32), 103.0, "all were busy")
    record.finish()
    assert record.slowest is not None
    found = record.slowest.requests(record.start)
    assert [(request.span_id[-1], request.latency_ms, request.status) for request in found] == [
        ("3", 3000.0, None),
        ("1", 2000.0, None),
    ]
    assert [request.queue_ms for request in found] == [None, 0.0]


def test_nothing_measured_has_no_slowest() -> None:
    assert Slowest(TRACE, LABELS).requests(0.0) == []


@given(folds=st.lists(st.lists(st.integers(-1, 1000), min_size=1, max_size=60), max_size=8), most=st.integers(1, 10))
def test_the_slowest_of_all_are_kept_however_they_come(folds: list[list[int]], most: int) -> None:
    slowest = Slowest(TRACE, LABELS, most)
    kind = np.dtype([("due", "f8"), ("free", "f8"), ("number", "i8"), ("request_index", "i4"), ("status", "i4")])
    number = 0
    for fold in folds:
        entries = np.zeros(len(fold), dtype=kind)
        entries["number"] = np.arange(number + 1, number + 1 + len(fold))
        entries["status"] = 200
        number += len(fold)
        slowest.add(entries, np.array(fold, dtype=np.int64))
        entries["number"] = 0  # the buffer is written again
    found = slowest.requests(0.0)
    every = sorted((latency for fold in folds for latency in fold if latency >= 0), reverse=True)
    assert [request.latency_ms * 1000 for request in found] == pytest.approx(every[:most])
    of = [latency for fold in folds for latency in fold]
    assert all(of[int(request.span_id, 16) - 1] == pytest.approx(request.latency_ms * 1000) for request in found)


def test_those_of_an_earlier_part_can_be_forgotten() -> None:
    record = recorder(most=2)
    slowest = record.slowest
    assert slowest is not None
    for number, latency in enumerate((0.9, 0.8, 0.7), 1):
        record.put(100.0, 100.0, 100.0, 100.0, 100.0 + latency, number, 50, 0, 200)
    record.fold()
    earlier = slowest.counts()
    for number, latency in enumerate((0.1, 0.3, 0.2), 4):
        record.put(100.0, 100.0, 100.0, 100.0, 100.0 + latency, number, 50, 0, 200)
    record.finish()
    assert slowest.counts() == earlier + 1
    assert [each.latency_ms for each in slowest.requests(100.0)] == [900, 800]
    slowest.subtract(earlier)
    assert [each.latency_ms for each in slowest.requests(100.0)] == [300, 200]
