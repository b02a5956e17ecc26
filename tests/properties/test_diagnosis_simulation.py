"""Laws every work-conserving queue obeys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.diagnosis.simulation import first_come_first_served, processor_sharing

STATIONS = [first_come_first_served, processor_sharing]
jobs = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=40)


@pytest.mark.parametrize("station", STATIONS)
@given(jobs=jobs, servers=st.integers(1, 4))
def test_no_job_leaves_before_its_work_is_done(station, jobs, servers) -> None:
    arrivals, work = (np.array(column) for column in zip(*jobs, strict=True))
    assert (station(arrivals, work, servers) >= arrivals + work - 1e-6).all()


@given(jobs=jobs)
def test_one_server_ends_at_the_same_time_in_any_order(jobs) -> None:
    arrivals, work = (np.array(column) for column in zip(*jobs, strict=True))
    ends = [station(arrivals, work, 1).max() for station in STATIONS]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)


@pytest.mark.parametrize("station", STATIONS)
@given(jobs=jobs, servers=st.integers(1, 3), part=st.floats(0, 1))
def test_less_work_never_ends_later(station, jobs, servers, part) -> None:
    arrivals, work = (np.array(column) for column in zip(*jobs, strict=True))
    assert station(arrivals, work * part, servers).max() <= station(arrivals, work, servers).max() + 1e-6
