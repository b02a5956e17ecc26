"""What a recorder forgets of a warm-up, and what it never does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from perfloop.loadtest.checkpoints import Checkpoints
from perfloop.loadtest.recording import FOLD_AT, Recorder, figures
from perfloop.loadtest.scenario.groups import Groups
from perfloop.loadtest.slowest import Slowest


def recorded(checkpoints: Checkpoints | None, entries: list[tuple[float, float, int, int]], **options) -> Recorder:
    """A recorder of what was done when, after how many seconds, by which request and with which status."""
    labels = ["GET /a", "GET /b"]
    recorder = Recorder(labels, None, **options)
    recorder.slowest = Slowest("0" * 32, labels)
    recorder.start = 100.0
    recorder.checkpoints = checkpoints
    for number, (done, latency, index, status) in enumerate(entries, 1):
        due, end = 100.0 + done - latency, 100.0 + done
        recorder.put(due, due + latency / 8, due + latency / 4, due + latency / 2, end, number, 10, index, status)
    recorder.finish()
    return recorder


def cold(seconds: float, *, slow: float = 1.0, rate: int = 100) -> list[tuple[float, float, int, int]]:
    """Slow and failing at first."""
    return [
        (done, 0.08 if done < slow else 0.01 + 0.001 * (number % 3), number % 2, 503 if number < 5 else 200)
        for number, done in enumerate(np.arange(1, seconds * rate) / rate)
    ]


def test_all_figures_are_those_of_the_rest() -> None:
    entries = cold(5)
    recorder = recorded(Checkpoints(), entries, keep_samples=True)
    warm_up = recorder.checkpoints.exclude(recorder, 5.0)
    assert (warm_up.seconds, warm_up.requests, warm_up.errors, warm_up.reason) == (pytest.approx(1.0), 99, 5, None)

    rest = recorded(None, [entry for entry in entries if entry[0] >= 1.0])
    assert recorder.requests == rest.requests == len(entries) - 99
    assert recorder.bytes_received == rest.bytes_received
    for name in ("latency", "service_time", "queue", "send_lag", "first_byte", "body"):
        ours, theirs = getattr(recorder, name), getattr(rest, name)
        assert [*map(list, ours.counts()[:2])] == [*map(list, theirs.counts()[:2])], name
        assert ours.max == pytest.approx(theirs.max, rel=1e-3)
    ours, theirs = (each.endpoints.results(1.0, figures) for each in (recorder, rest))
    assert [(each.label, each.requests) for each in ours] == [(each.label, each.requests) for each in theirs]
    assert [each.latency_ms.p99 for each in ours] == pytest.approx([each.latency_ms.p99 for each in theirs], rel=1e-3)
    assert {each.latency_ms for each in recorder.slowest.requests(100.0)} == {12.0}
    assert len(recorder.slowest.requests(100.0)) == 20

    assert len(recorder.samples()) == len(entries)
    assert sum(point.requests for point in recorder.series) == len(entries)


def test_no_error_is_left_out() -> None:
    recorder = recorded(Checkpoints(), cold(5))
    recorder.checkpoints.exclude(recorder, 5.0)
    assert recorder.errors == 5
    assert recorder.statuses[503] == 5
    assert recorder.failures.counts() == {"status 503": 5}
    assert sum(each.errors for each in recorder.endpoints.results(1.0, figures)) == 5


def test_an_endpoint_that_only_failed_before_is_still_named() -> None:
    entries = [(0.5, 0.2, 1, 500), *((1 + number / 100, 0.01, 0, 200) for number in range(400))]
    recorder = recorded(Checkpoints(1.0), entries)
    recorder.checkpoints.exclude(recorder, 5.0)
    failed = recorder.endpoints.results(1.0, figures)[-1]
    assert (failed.label, failed.requests, failed.errors, failed.latency_ms.max) == ("GET /b", 0, 1, 0)


def test_a_warm_up_of_so_many_seconds_ends_there_however_the_entries_come() -> None:
    recorder = recorded(Checkpoints(1.55), [(done / 1000, 0.01, 0, 200) for done in range(1, 5001)])
    assert FOLD_AT < 5000 * 64  # folded in the middle of it
    warm_up = recorder.checkpoints.exclude(recorder, 5.0)
    assert (warm_up.seconds, warm_up.requests) == (1.55, 1549)
    assert recorder.latency.count == recorder.requests == 5000 - 1549


@pytest.mark.parametrize("done", [[], [0.2, 0.4]])
def test_a_run_that_was_over_before_its_warm_up_says_so_and_keeps_its_figures(done: list[float]) -> None:
    recorder = recorded(Checkpoints(1.5), [(each, 0.01, 0, 200) for each in done])
    warm_up = recorder.checkpoints.exclude(recorder, 2.0)
    assert warm_up.reason == "no request finished after the warm-up of 1.5 s"
    assert (warm_up.seconds, recorder.requests) == (0, len(done))


def test_a_run_that_never_was_warm_says_so_and_keeps_its_figures() -> None:
    recorder = recorded(Checkpoints(), cold(5, slow=3.5))
    warm_up = recorder.checkpoints.exclude(recorder, 5.0)
    assert warm_up.seconds == 0
    assert "still warming up: the median latency fell from 80.1 ms to 11 ms" in warm_up.reason
    assert recorder.requests == 499


@pytest.mark.parametrize(("slow", "elapsed"), [(0.0, 5.0), (0.5, 2.9)], ids=["warm", "short"])
def test_nothing_is_left_out_of_a_warm_run_or_a_short_one(slow: float, elapsed: float) -> None:
    recorder = recorded(Checkpoints(), cold(elapsed, slow=slow))
    assert recorder.checkpoints.exclude(recorder, elapsed).seconds == 0
    assert recorder.requests == len(cold(elapsed))


def test_groups_leave_it_out_too_but_for_those_that_failed() -> None:
    groups = Groups()
    checkpoints = Checkpoints(1.0)
    recorder = Recorder(["GET /"], None)
    recorder.further = (groups,)
    groups.add("browse", 0.9)
    groups.add_failed("browse")
    recorder.put(0.5, 0.5, 0.5, 0.6, 0.6, 1, 1, 0, 200)
    checkpoints.reached(recorder)
    groups.add("browse", 0.1)
    groups.add("buy", 0.2)
    for number in range(3):
        recorder.put(1.5, 1.5, 1.5, 1.6, 1.6, number, 1, 0, 200)
    recorder.finish()
    checkpoints.exclude(recorder, 2.0)
    browse, buy = groups.results()
    assert (browse.count, browse.failed, browse.time_ms.max) == (1, 1, pytest.approx(100, rel=1e-3))
    assert buy.count == 1


def test_an_hour_has_no_more_of_them_than_a_minute_and_the_first_ones_stay() -> None:
    checkpoints = Checkpoints()
    recorder = Recorder(["GET /"], None)
    while checkpoints.next < 3600:
        recorder.requests += 20
        recorder.latency.record_many(np.array([1000] * 20))
        checkpoints.reached(recorder)
    windows = checkpoints._windows()
    assert len(windows) < 100
    assert [window.end for window in windows[:5]] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert windows[-1].end > 3400
    assert sum(window.requests for window in windows) == recorder.latency.count
    assert len(checkpoints._ends) < 50
    assert len(pickle.dumps((checkpoints._stretches, checkpoints._ends))) < 200_000


@pytest.mark.parametrize(("slow", "cut"), [(0.8, 0.8), (1.0, 1.0), (1.1, 1.3), (1.5, 1.6), (2.1, 2.5)])
def test_it_is_cut_at_the_first_moment_after_it_of_which_all_is_kept(slow: float, cut: float) -> None:
    recorder = recorded(Checkpoints(), cold(8, slow=slow))
    assert recorder.checkpoints.exclude(recorder, 8.0).seconds == pytest.approx(cut)


def test_a_warm_up_after_which_no_moment_was_kept_is_never_over() -> None:
    recorder = recorded(Checkpoints(), cold(8, slow=2.0))
    recorder.checkpoints._ends = [end for end in recorder.checkpoints._ends if end.elapsed < 1.9]
    assert "still warming up" in (recorder.checkpoints.exclude(recorder, 8.0).reason or "")
    assert recorder.requests == 799


def test_a_window_has_requests_enough_for_a_median() -> None:
    recorder = recorded(Checkpoints(), [(done / 4, 0.05, 0, 200) for done in range(1, 200)])
    assert min(window.requests for window in recorder.checkpoints._windows()) >= 10
