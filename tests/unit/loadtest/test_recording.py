from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from perfloop.loadtest.recording import ENTRY, FOLD_AT, NEVER_SENT_STATUS, TIMEOUT_STATUS, Recorder

NAN = float("nan")


def recorder(**options) -> Recorder:
    made = Recorder(["GET /a", "GET /b"], options.pop("expect", None), **options)
    made.start = 100.0
    return made


def answered(to: Recorder, due: float, latency: float, *, status: int = 200, index: int = 0, lag: float = 0.0) -> None:
    to.put(due, due, due + lag, due + latency / 2, due + latency, 1, 50, index, status)


def test_entries_become_figures() -> None:
    record = recorder()
    for number in range(1000):
        answered(record, 100.0 + number / 1000, 0.001 * (number % 100 + 1), lag=0.0005)
    record.finish()
    assert record.requests == 1000
    assert record.errors == 0
    assert record.bytes_received == 50_000
    assert record.latency.count == 1000
    assert record.latency.percentile(50) == pytest.approx(50_000, rel=0.001)
    assert record.service_time.percentile(50) == pytest.approx(49_500, rel=0.001)
    assert record.send_lag.max == record.send_lag.percentile(1) == 500
    assert record.queue.count == 1000
    assert record.queue.max == 0
    assert record.statuses == {200: 1000}


@pytest.mark.parametrize("failures", [0, 3])
def test_service_time_is_parted_at_the_first_byte(failures: int) -> None:
    record = recorder()
    for _ in range(failures):
        record.put(100.0, 100.0, 100.0, 0.0, 103.0, 1, 0, 0, TIMEOUT_STATUS)
    record.put(100.0, 100.0, 100.001, 100.011, 100.041, 1, 50, 0, 200)
    record.fold()
    for _ in range(4):  # a whole block of responses in one piece
        record.put(100.0, 100.0, 100.0, 100.02, 100.02, 1, 50, 0, 200)
    record.finish()
    assert record.first_byte.count == record.body.count == 5
    assert record.first_byte.percentile(100) == pytest.approx(20_000, rel=0.001)
    assert record.first_byte.percentile(1) == pytest.approx(10_000, rel=0.001)
    assert record.body.max == pytest.approx(30_000, rel=0.001)
    assert record.body.percentile(50) == 0


def test_the_series_is_by_the_second_in_which_requests_finished() -> None:
    record = recorder()
    answered(record, 100.2, 0.1)
    answered(record, 100.9, 0.3, status=500)
    answered(record, 104.0, 0.5)
    record.fold(7)
    record.finish()
    assert [(point.second, point.requests, point.errors) for point in record.series] == [
        (0, 1, 0),
        (1, 1, 1),
        (2, 0, 0),
        (3, 0, 0),
        (4, 1, 0),
    ]
    assert [point.p50_ms for point in record.series[:2]] == pytest.approx([100, 300], rel=0.001)
    assert record.series[2].p50_ms is record.series[2].max_ms is None
    assert [point.in_flight for point in record.series] == [7] * 5
    assert record.series[0].max_ms == pytest.approx(100, rel=0.001)
    assert sum(point.bytes_received for point in record.series) == 150


def test_requests_that_were_given_up_count_with_what_they_waited_and_other_failures_have_no_latency() -> None:
    record = recorder(keep_samples=True)
    answered(record, 100.0, 0.1)
    record.put(100.0, 100.5, 100.5, 0.0, 110.5, 2, 0, 1, TIMEOUT_STATUS)
    record.put(100.0, 100.0, 100.0, 0.0, 100.001, 3, 10, 0, 0)  # reset
    record.put(100.0, NAN, NAN, 0.0, 100.002, 4, 0, 0, 0)  # could not connect
    record.add_never_sent(5, np.array([105.0]), np.array([1], dtype=np.int32), 115.0, "all were busy")
    record.finish()
    assert record.requests == 5
    assert record.errors == 4
    assert record.latency.count == 3
    assert record.latency.max == 10_500_000
    assert record.service_time.count == 2
    assert record.queue.count == 3
    assert record.queue.max == 500_000
    assert record.send_lag.count == 3
    assert record.statuses == {200: 1}
    samples = record.samples()
    assert samples.number.tolist() == [1, 2, 3, 4, 5]
    assert samples.status.tolist() == [200, 0, 0, 0, 0]
    assert samples.request_index.tolist() == [0, 1, 0, 0, 1]
    assert np.isnan(samples.first_byte).tolist() == [False, True, True, True, True]
    assert np.isnan(samples.written).tolist() == [False, False, False, True, True]
    assert len(samples) == 5


@pytest.mark.parametrize(
    ("expect", "kinds"),
    [
        (None, {"status 404": 2, "status 503": 1}),
        (frozenset({404}), {"status 200": 3, "status 503": 1}),
        (frozenset({200, 404, 503}), {}),
    ],
)
def test_which_statuses_are_errors(expect, kinds) -> None:
    record = recorder(expect=expect)
    for status in (200, 404, 200, 503, 404, 200):
        answered(record, 100.0, 0.1, status=status, index=1 if status == 404 else 0)
    record.finish()
    assert record.failures.counts() == kinds
    assert record.errors == sum(kinds.values())
    assert record.statuses == {200: 3, 404: 2, 503: 1}
    if expect is None:
        assert record.failures.kinds()[0].example == "GET /b was answered with 404"


def test_never_sent_is_never_an_answer() -> None:
    record = recorder()
    dues = 100.0 + np.arange(10_000) / 1000
    record.add_never_sent(1, dues, np.zeros(10_000, dtype=np.int32), 120.0, "all were busy")
    record.finish()
    assert record.requests == record.errors == record.latency.count == 10_000
    assert record.latency.max == 20_000_000
    assert record.statuses == {}
    assert NEVER_SENT_STATUS < 0


def test_samples_are_kept_only_when_asked_for() -> None:
    record = recorder()
    answered(record, 100.0, 0.1)
    record.finish()
    assert record.samples() is None
    assert len(recorder(keep_samples=True).samples()) == 0


def test_the_buffer_folds_itself_before_it_is_full() -> None:
    record = recorder()
    for _ in range(FOLD_AT // ENTRY.size):
        answered(record, 100.0, 0.1)
    assert record.offset == 0
    assert record.requests == FOLD_AT // ENTRY.size


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    record = recorder()

    def second(number: int) -> None:
        for _ in range(20):
            for position in range(1000):
                answered(record, 100.0 + number, 0.001 * position, status=200 + position % 3)

    second(0)
    tracemalloc.start()
    second(1)
    before, _ = tracemalloc.get_traced_memory()
    second(2)
    second(3)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000  # two points of the series
    record.finish()
    assert record.requests == 80_000


def test_progress_reads_the_second_under_way_once_it_has_enough_to_say() -> None:
    record = recorder()
    for _ in range(100):
        answered(record, 100.0, 0.01)
    record.fold(elapsed=1.0)
    answered(record, 101.0, 0.5)
    record.fold()
    assert record.current().p50_ms == pytest.approx(10, rel=0.01)
    for _ in range(60):
        answered(record, 101.0, 0.5)
    record.fold()
    assert record.current().p50_ms == pytest.approx(500, rel=0.01)
