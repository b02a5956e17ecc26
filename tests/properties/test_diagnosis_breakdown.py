"""A breakdown sums to the latency, whatever the stamps say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfloop.diagnosis.breakdown import breakdown
from perfloop.diagnosis.matching import match
from perfloop.monitoring.observations import PARTS
from tests.unit.diagnosis.synthetic import Run, Sent

spans = st.floats(0, 0.5)
requests = st.builds(
    Sent,
    route=st.sampled_from(["/a", "/b"]),
    parts=st.dictionaries(st.sampled_from(PARTS), spans, max_size=4),
    before=spans,
    after=spans,
    queue=spans,
    send_lag=spans,
    is_async=st.booleans(),
)


@given(sent=st.lists(requests, min_size=1, max_size=12), skew=st.floats(-0.004, 0.004), loop=st.booleans())
def test_parts_sum_to_latency(sent, skew, loop) -> None:
    run = Run(sent, loop=loop)
    samples = run.samples()
    samples.done = np.maximum(samples.done + skew, samples.written)
    found = match(run.observations(), samples)
    assert len(found.requests) + found.unseen_by_agent == len(sent)
    for request in found.requests:
        assert sum(request.parts.values()) == pytest.approx(request.latency, abs=1e-9)
        assert min(request.parts.values()) >= -1e-12
    for route in breakdown(run.observations(), samples):
        for cohort in (route.typical, route.slowest):
            assert sum(cohort.parts_ms.values()) == pytest.approx(cohort.mean_ms, abs=1e-6)
        assert route.slowest.mean_ms >= route.typical.mean_ms - 1e-9
        assert 0 <= route.unaccounted_p95 <= 1
