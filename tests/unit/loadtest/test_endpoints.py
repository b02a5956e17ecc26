from __future__ import annotations

import numpy as np
import pytest

from perfloop.loadtest.endpoints import MOST_ENDPOINTS, EndpointTally
from perfloop.loadtest.recording import Recorder, figures


def test_each_label_counts_its_own_requests() -> None:
    tally = EndpointTally(["GET /a", "GET /b", "GET /a", "GET /never"])
    index = np.array([0, 1, 2, 2, 1], dtype=np.int32)
    latency = np.array([1000, 5000, 3000, -1, 7000])
    tally.add(index, latency, np.array([False, True, False, True, False]))
    first, second = tally.results(10.0, figures)
    assert (first.label, first.requests, first.errors, first.rate) == ("GET /a", 3, 1, 0.3)
    assert first.latency_ms.max == 3.0
    assert (second.label, second.requests, second.errors) == ("GET /b", 2, 1)
    assert second.latency_ms.mean == pytest.approx(6.0, rel=1e-3)


def test_a_failed_check_is_an_error_of_its_endpoint_also_before_the_request_is_folded() -> None:
    recorder = Recorder(["GET /a", "GET /b"], None)
    recorder.put(1.0, 1.0, 1.0, 1.5, 2.0, 1, 10, 1, 200)
    recorder.put(1.0, 1.0, 1.0, 1.5, 2.0, 2, 10, 0, 500)
    recorder.add_error("check: yes", "no", counted=False, label="GET /b")
    recorder.add_error("check: yes", "no", counted=True, label="GET /a")
    recorder.add_error("check: yes", "no", counted=False)
    recorder.finish()
    errors = {each.label: each.errors for each in recorder.endpoints.results(1.0, figures)}
    assert errors == {"GET /a": 1, "GET /b": 1}
    assert recorder.errors == 3


def test_labels_may_come_later_and_without_bound() -> None:
    labels = ["GET /0"]
    tally = EndpointTally(labels)
    for number in range(1, 500):
        labels.append(f"GET /{number}")
        tally.add(np.array([number], dtype=np.int32), np.array([number]), np.array([False]))
    results = tally.results(1.0, figures)
    assert sum(each.requests for each in results) == 499
    assert len(results) == MOST_ENDPOINTS - 1  # the first was never requested
    assert results[0].label == "other"


def test_a_recorder_of_one_request_has_no_endpoints_to_tell_apart() -> None:
    recorder = Recorder(["GET /"], None)
    recorder.put(1.0, 1.0, 1.0, 1.5, 2.0, 1, 10, 0, 200)
    recorder.finish()
    assert recorder.endpoints.results(1.0, figures) == []
