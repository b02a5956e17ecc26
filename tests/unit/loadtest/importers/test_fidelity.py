from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.loadtest import Request
from perfloop.loadtest.importers import Imported, Skipped, fidelity
from perfloop.loadtest.importers.fidelity import mix_distance

IMPORTED = Imported(
    format="access-log",
    source="access.log",
    requests=(Request(target="/a", weight=3), Request(target="/b", weight=1)),
    order=np.array([0, 0, 1, 0], dtype=np.int32),
    skipped=(Skipped("no time", 4, "line 1"),),
    notes=("a note",),
)


def test_what_was_sent_as_recorded_has_no_error() -> None:
    dues = np.array([0.0, 1.0, 2.0, 3.0]) + 1e6
    found = fidelity(IMPORTED, np.array([3, 1]), speed=2, planned=dues, written=dues)
    assert (found.recorded, found.sent, found.speed) == (8, 4, 2)
    assert (found.mix_distance, found.arrival_error_p99_ms) == (0, 0)
    assert found.skipped == {"no time": 4}
    assert found.skipped_share == 0.5
    assert found.notes == ["a note"]


def test_errors_are_measured() -> None:
    planned = np.arange(100.0)
    written = planned + 0.25
    written[:50] += 10
    found = fidelity(IMPORTED, np.array([100, 0]), planned=planned, written=written)
    assert found.mix_distance == 0.25, "a quarter of the requests would have to be /b"
    assert found.arrival_error_p99_ms == pytest.approx(10_250)


def test_the_mix_is_that_of_endpoints() -> None:
    requests = (*(Request(target=f"/items/{n}", label="GET /items/{id}") for n in range(99)), Request())
    imported = Imported(format="access-log", source="x", requests=requests)
    sent = np.zeros(100, dtype=int)
    sent[[5, 99]] = 99, 1
    assert fidelity(imported, sent).mix_distance == pytest.approx(0)


def test_nothing_sent_is_no_fidelity() -> None:
    empty = np.empty(0)
    found = fidelity(IMPORTED, np.array([0, 0]), planned=empty, written=empty)
    assert (found.sent, found.mix_distance, found.arrival_error_p99_ms) == (0, None, None)


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 100)), min_size=1, max_size=20))
def test_the_distance_of_mixes_is_a_share(counts) -> None:
    recorded, sent = np.array(counts, dtype=float).T
    sent[0] += 1
    assert 0 <= mix_distance(recorded, sent) <= 1
    assert mix_distance(recorded, recorded) == 0
    assert mix_distance(recorded, 3 * recorded) == pytest.approx(0)
